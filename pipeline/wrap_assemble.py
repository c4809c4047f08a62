"""The wrapper around assemble: fetches all chunks of a video, runs the stage, publishes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.accounting import Cluster
from pipeline.artifacts import Artifact
from pipeline.completion import complete
from pipeline.events import Item, Report
from pipeline.job import Job
from pipeline.places import is_local
from pipeline.provenance import Making, tags
from pipeline.pruning import prune
from pipeline.publish import Publisher
from pipeline.rows import AssembleRow, DoneRow, SourceRow
from pipeline.sidecars import write_sidecars
from pipeline.source_files import check, content_sha256, localise
from pipeline.storage import Storage
from pipeline.wrapper import Worker
from stages.assemble.making_up import is_lacking
from stages.contract import ItemError, Stage
from stages.items import AssembleTask, Chunk


class AssembleWorker(Worker):
    """Wraps assemble."""

    def __init__(
        self, stage: Stage[Any, Any], job: Job, report: Report, node: str = "", cluster: Cluster | None = None
    ) -> None:
        super().__init__(stage, job, report, node, cluster)
        self.publisher = Publisher(self.artifacts, Storage(job.output))

    def run(self, row: AssembleRow) -> DoneRow:
        """Assemble and publish one video; of one that is published, make the derivatives that it lacks.

        Raises:
            SetupError, StorageError: see ``Worker.settle``.
        """
        source = row.source
        video = source.sha256[:16]
        plan = self.job.recipe.plan(source.content, source.output)["assemble"]
        item = Item(plan, plan, video, source=source.shown, output=self.job.output)
        if not row.chunks:
            return self._complete(source, item)
        wanted = self.job.recipe.identities["assemble"].parameters

        def make(folder: Path) -> Artifact:
            started = time.time()
            with ExitStack() as stack:
                scratch = stack.enter_context(self.workspace.scratch(self.job.epoch))
                local = stack.enter_context(localise(source, scratch))
                self._check_download(source, local)
                split, decode = (self._fetch(stack, stage, source.content, row.chunks) for stage in ("split", "decode"))
                name = PurePosixPath(source.output).name
                told = tags(source) if wanted.get("provenance") else {}
                task = AssembleTask(video, local, name, row.chunks, split, decode, folder, told)
                result = self.stage.run(task)
                making = Making(
                    source=source,
                    local=local,
                    recipe=self.job.recipe,
                    chunks=row.chunks,
                    tables=split,
                    records=partial(self._records, source.content),
                    facts=result.facts,
                    files=(),
                    trouble=row.trouble,
                    started=started,
                    node=self.witness.node,
                )
                write_sidecars(folder, name, making)
            check(source)
            return self.publisher.publish(plan, folder, source.output, result.facts)

        artifact = self.settle(item, lambda: self._published(plan), make)
        if artifact is not None and not self.job.keep_artifacts:
            prune(self.artifacts, self.job.recipe, source.content, row.chunks)
        return DoneRow(source.shown, "failed" if artifact is None else "done")

    def _complete(self, source: SourceRow, item: Item) -> DoneRow:
        """Give a published video the derivatives that it lacks, if they can be made now."""
        before = self._published(item.plan)

        def make(folder: Path) -> Artifact:
            if before is None:
                raise ItemError(f"{source.shown}: its published files changed meanwhile; run the same line again")
            wanted = self.job.recipe.identities["assemble"].parameters
            return complete(self.publisher, before, folder, source, wanted)

        whole = before if before is not None and not is_lacking(before.facts) else None
        artifact = self.settle(item, lambda: whole, make, before)
        return DoneRow(source.shown, "failed" if artifact is None else "reused" if artifact == before else "done")

    def _published(self, plan: str) -> Artifact | None:
        """What is published and whole. What cannot be read is found to be in the way when it is published."""
        try:
            return self.publisher.lookup(plan)
        except ItemError:
            return None

    def _check_download(self, source: SourceRow, local: Path) -> None:
        """A remote source is fetched anew, and not every server says when a file has changed."""
        if not is_local(source.url) and content_sha256(local, source.shown) != source.sha256:
            raise ItemError(f"{source.shown}: the file changed after it was split; run again when it is complete")

    def _records(self, content: str, chunk: Chunk) -> dict[str, Artifact]:
        prints = self.job.recipe.chunk(content, chunk)
        found = {stage: self.artifacts.record(stage, fingerprint) for stage, fingerprint in prints.items()}
        return {stage: record for stage, record in found.items() if record is not None}

    def _fetch(self, stack: ExitStack, stage: str, content: str, chunks: Sequence[Chunk]) -> tuple[Path, ...]:
        """For each chunk the folder that a stage wrote, lent until the stack is closed."""
        folders: list[Path] = []
        stack.callback(self._release, folders)
        for chunk in chunks:
            folders.append(self.artifacts.fetch(stage, self.job.recipe.chunk(content, chunk)[stage]))
        return tuple(folders)

    def _release(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            self.artifacts.release(folder)
