"""The wrapper around split: commits each chunk as it is yielded, so that the next stage starts at once.

The video's plan is committed after the last chunk (``split_plan``), so a video with a plan and whole chunks is never
decoded again, and one without a plan is decoded again but writes only the chunks that are missing.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.accounting import Cluster
from pipeline.artifacts import Artifact
from pipeline.attempts import Attempt
from pipeline.config_running import LONGEST_SECONDS
from pipeline.events import Item, Reason, Report
from pipeline.job import Job
from pipeline.pruning import prune
from pipeline.publish import Publisher
from pipeline.published import told_of
from pipeline.rows import ChunkRow, SourceRow, VideoRow
from pipeline.schemas import DONE, FAILED, RETRIED, REUSED, ChunkRecord, VideoRecord
from pipeline.sidecars import require_bag_name
from pipeline.source_files import bytes_of, identify, localise
from pipeline.split_plan import commit_plan, read_plan, whole_plan
from pipeline.storage import Storage
from pipeline.storage_errors import StorageError, told
from pipeline.watchdog import Watchdog
from pipeline.wrapper import Worker
from stages.assemble.making_up import is_lacking
from stages.contract import ItemError, Stage
from stages.items import Chunk, SplitChunk, SplitTask

GIGABYTE = 10**9
"""So much of a source has the time of a chunk to be surveyed in: slower than this, nothing decodes."""


class SplitWorker(Worker):
    """Wraps split.

    Args:
        stage, job, report, node, cluster: see ``Worker``.
        admit: called before each chunk is made; waits while split is too far ahead of the stages after it.
    """

    def __init__(
        self,
        stage: Stage[Any, Any],
        job: Job,
        report: Report,
        node: str = "",
        cluster: Cluster | None = None,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(stage, job, report, node, cluster)
        self.admit = admit
        self.publisher = Publisher(self.artifacts, Storage(job.output))

    def run(self, source: SourceRow) -> Iterator[ChunkRow | VideoRow]:
        """Yield the chunks of one source as they are committed, then one ``VideoRow``.

        Raises:
            SetupError, StorageError: see ``Worker.settle``.
        """
        started = time.time()
        with ExitStack() as stack:
            scratch = stack.enter_context(self.workspace.scratch(self.job.epoch))
            opened: list[Path] = []

            def local() -> Path:
                # A remote source is downloaded at most once, and not at all if there is nothing to do.
                if not opened:
                    opened.append(stack.enter_context(localise(source, scratch)))
                return opened[0]

            attempts = itertools.count(1)
            unread = partial(self._report_unread, source, RETRIED, attempts)
            try:
                require_bag_name(source, self.job.recipe.identities["assemble"].parameters)
                sha256 = identify(source, local, self.job.attempts, unread)
            except StorageError:
                raise
            except Exception as error:
                yield self._unreadable(source, started, attempts, error)
                return
            size = bytes_of(source, opened[0] if opened else None)
            yield from self._identified(replace(source, sha256=sha256), local, size)

    def _identified(self, source: SourceRow, local: Callable[[], Path], size: int) -> Iterator[ChunkRow | VideoRow]:
        video, plan = source.sha256[:16], self.job.recipe.plan(source.content, source.output)
        record = VideoRecord(source.shown, source.output, video, source.sha256, size, source.version)
        self.report([record])
        clock = time.perf_counter()
        try:
            published = self.publisher.lookup(plan["assemble"])
        except ItemError as error:
            item = Item(plan["split"], plan["split"], video, source=source.shown)
            self.report([self.witness.event(item, FAILED, clock=clock, reason=Reason.of(error))])
            yield VideoRow(source, "failed")
            return
        if published is not None:
            lacking = is_lacking(published.facts)
            if not lacking:
                item = Item(plan["assemble"], plan["assemble"], video, source=source.shown, output=self.job.output)
                event = self.witness.event(item, REUSED, clock=clock, artifact=published)
                self.report([replace(event, stage="assemble")])
            chunks = None if self.job.keep_artifacts else read_plan(self.artifacts, plan["split"])
            if chunks and self._claims(source, plan["split"]):
                prune(self.artifacts, self.job.recipe, source.content, chunks)
            yield VideoRow(source, "lacking" if lacking else "finished")
            return
        if not self._claims(source, plan["split"]):
            yield VideoRow(source, "duplicate")
            return
        item = Item(_charged(plan["split"], source), plan["split"], video, source=source.shown)
        known = whole_plan(self.artifacts, item.plan, partial(self._print, source.content))
        if known is not None:
            for chunk in known:
                self.admit()
                self._report_chunk(item, chunk, source.content, REUSED)
                yield ChunkRow(source.shown, source.content, chunk)
            self._report_video(item, source, record, REUSED, len(known))
            yield VideoRow(source, "split", len(known))
            return
        yield from self._attempts(item, source, local, record)

    def _claims(self, source: SourceRow, plan: str) -> bool:
        """Whether no other source of this run with the same content is being worked on."""
        return not source.first or self.accounts.attempts.claim(plan, source.shown)

    def _attempts(
        self, item: Item, source: SourceRow, local: Callable[[], Path], record: VideoRecord
    ) -> Iterator[ChunkRow | VideoRow]:
        sent: list[Chunk] = []
        self.setup()
        while attempt := self.accounts.begin(item):
            clock = time.perf_counter()
            try:
                chunks = []
                for chunk in self._split(item, source, local(), attempt):
                    chunks.append(chunk)
                    if len(chunks) > len(sent):
                        sent.append(chunk)
                        yield ChunkRow(source.shown, source.content, chunk)
                    elif sent[len(chunks) - 1] != chunk:
                        raise ItemError(f"{source.shown}: split cut it differently the second time; report this")
                last = time.perf_counter()  # until here, its chunks have told what they took
                with self.workspace.scratch(self.job.epoch) as folder:
                    commit_plan(self.artifacts, item.plan, chunks, folder)
            except Exception as error:
                if self.accounts.failed(item, attempt, clock, error) != RETRIED:
                    break
            else:
                self._report_video(item, source, record, DONE, len(chunks), attempt, last)
                self.accounts.attempts.forget(item.fingerprint, attempt)
                yield VideoRow(source, "split", len(chunks))
                return
        yield VideoRow(source, "failed")

    def _split(self, item: Item, source: SourceRow, local: Path, attempt: Attempt) -> Iterator[Chunk]:
        """Run the stage once; yield each chunk when its artifact is committed."""

        def wanted(chunk: Chunk) -> bool:
            return self.artifacts.lookup("split", self._print(source.content, chunk)) is None

        with self.workspace.scratch(self.job.epoch) as folder:
            count, clock = 0, time.perf_counter()
            made_by_stage = self.stage.run(SplitTask(item.video, local, folder, wanted))
            times = max(1.0, bytes_of(source, local) / GIGABYTE)  # the survey, which is over when there is a chunk
            while made := self._next(made_by_stage, item, attempt, clock, times):
                self._check(made, count, item.video, source)
                artifact = self._commit_chunk(made, source.content)
                outcome = DONE if made.folder else REUSED
                self._report_chunk(item, made.chunk, source.content, outcome, attempt, clock, artifact)
                yield made.chunk
                self.admit()
                count, clock, times = count + 1, time.perf_counter(), 1.0
            if count == 0:
                raise ItemError(f"{source.shown}: no frame could be decoded; check the file")

    def _next(
        self, made: Iterator[SplitChunk], item: Item, attempt: Attempt, clock: float, times: float
    ) -> SplitChunk | None:
        """The stage's next chunk, within ``times`` the limit; waiting for admission is not the stage's fault."""
        limit = self.job.timeouts.get(self.stage.name)
        if isinstance(self.watchdog, Watchdog) and limit is not None:
            self.watchdog.seconds = min(times * limit, LONGEST_SECONDS)
        with self.at_work(item, attempt, clock):
            return next(made, None)

    def _check(self, made: SplitChunk, count: int, video: str, source: SourceRow) -> None:
        if made.chunk.index != count or made.chunk.video != video:
            raise ItemError(f"{source.shown}: split yielded {made.chunk} as number {count}; report this")

    def _commit_chunk(self, made: SplitChunk, content: str) -> Artifact | None:
        if made.folder is None:
            return None
        artifact = self.artifacts.commit(
            "split", self._print(content, made.chunk), made.folder, {"frames": len(made.chunk)}
        )
        shutil.rmtree(made.folder, ignore_errors=True)
        return artifact

    def _print(self, content: str, chunk: Chunk) -> str:
        return self.job.recipe.chunk(content, chunk)["split"]

    def _report_chunk(
        self,
        item: Item,
        chunk: Chunk,
        content: str,
        outcome: str,
        attempt: Attempt | None = None,
        clock: float | None = None,
        artifact: Artifact | None = None,
    ) -> None:
        own = self._print(content, chunk)
        one = replace(item, fingerprint=own, chunk=chunk.index, source="")
        place = (chunk.index, chunk.shot, chunk.start, chunk.stop, chunk.head, chunk.tail)
        self.report(
            [
                ChunkRecord(item.video, item.plan, own, *place),
                self.witness.event(one, outcome, attempt=attempt, clock=clock, artifact=artifact),
            ]
        )

    def _report_video(
        self,
        item: Item,
        source: SourceRow,
        record: VideoRecord,
        outcome: str,
        chunks: int,
        attempt: Attempt | None = None,
        clock: float | None = None,
    ) -> None:
        event = self.witness.event(item, outcome, attempt=attempt, clock=clock)
        facts = told_of(source, chunks, self.job.recipe.identities["split"].parameters)
        self.report([replace(record, chunks=chunks), replace(event, facts=facts)])

    def _unreadable(self, source: SourceRow, started: float, attempts: Iterator[int], error: Exception) -> VideoRow:
        """Give up a source that could not even be identified, and so has no fingerprint to charge."""
        self.report([VideoRecord(source.shown, source.output, size=max(source.size, 0))])
        self._report_unread(source, FAILED, attempts, error, started)
        return VideoRow(source, "failed")

    def _report_unread(
        self, source: SourceRow, outcome: str, attempts: Iterator[int], error: Exception, started: float | None = None
    ) -> None:
        item, reason = Item("", "", "", source=source.shown), replace(Reason.of(error), message=told(error))
        event = self.witness.event(item, outcome, started=started, reason=reason)
        self.report([replace(event, attempt=next(attempts))])


def _charged(plan: str, source: SourceRow) -> str:
    """What the attempts to split a source are charged to.

    A second source of the same content has its own: what failed may have been the first one's file.
    """
    return plan if source.first else hashlib.sha256(f"{plan} {source.shown}".encode()).hexdigest()
