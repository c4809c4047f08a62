"""The wrapper around assemble: fetches all chunks of a video, runs the stage, publishes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.accounting import Cluster
from pipeline.artifacts import Artifact
from pipeline.events import Item, Report
from pipeline.job import Job
from pipeline.provenance import Making, tags
from pipeline.pruning import prune
from pipeline.publish import Publisher
from pipeline.rows import AssembleRow, DoneRow
from pipeline.sidecars import write_sidecars
from pipeline.source_files import check, localise
from pipeline.storage import Storage
from pipeline.wrapper import Worker
from stages.contract import Stage
from stages.items import AssembleTask


class AssembleWorker(Worker):
    """Wraps assemble."""

    def __init__(
        self, stage: Stage[Any, Any], job: Job, report: Report, node: str = "", cluster: Cluster | None = None
    ) -> None:
        super().__init__(stage, job, report, node, cluster)
        self.publisher = Publisher(self.artifacts, Storage(job.output))

    def run(self, row: AssembleRow) -> DoneRow:
        """Assemble and publish one video.

        Raises:
            SetupError, StorageError: see ``Worker.settle``.
        """
        source = row.source
        video = source.sha256[:16]
        plan = self.job.recipe.plan(source.sha256, source.output)["assemble"]
        item = Item(plan, plan, video, source=source.shown)
        prints = [self.job.recipe.chunk(source.sha256, chunk) for chunk in row.chunks]
        wanted = self.job.recipe.identities["assemble"].parameters

        def make(folder: Path) -> Artifact:
            started = time.time()
            with ExitStack() as stack:
                scratch = stack.enter_context(self.workspace.scratch(self.job.epoch))
                local = stack.enter_context(localise(source, scratch))
                folders = {}
                for stage in ("split", "decode"):
                    folders[stage] = tuple(self._fetch(stack, stage, chunk[stage]) for chunk in prints)
                name = PurePosixPath(source.output).name
                told = tags(source) if wanted.get("provenance") else {}
                task = AssembleTask(video, local, name, row.chunks, folders["split"], folders["decode"], folder, told)
                result = self.stage.run(task)
                making = Making(
                    source=source,
                    local=local,
                    recipe=self.job.recipe,
                    chunks=row.chunks,
                    tables=folders["split"],
                    records=[self._records(chunk) for chunk in prints],
                    facts=result.facts,
                    files=(),
                    trouble=row.trouble,
                    started=started,
                    node=self.witness.node,
                )
                write_sidecars(folder, name, making)
            check(source)
            return self.publisher.publish(plan, folder, source.output, result.facts)

        artifact = self.settle(item, lambda: self.publisher.lookup(plan), make)
        if artifact is not None and not self.job.keep_artifacts:
            prune(self.artifacts, self.job.recipe, source.sha256, row.chunks)
        return DoneRow(source.shown, "failed" if artifact is None else "done")

    def _records(self, prints: dict[str, str]) -> dict[str, Artifact]:
        found = {stage: self.artifacts.record(stage, fingerprint) for stage, fingerprint in prints.items()}
        return {stage: record for stage, record in found.items() if record is not None}

    def _fetch(self, stack: ExitStack, stage: str, fingerprint: str) -> Path:
        folder = self.artifacts.fetch(stage, fingerprint)
        stack.callback(self.artifacts.release, folder)
        return folder
