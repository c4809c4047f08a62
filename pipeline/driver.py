"""The driver's side of a run: takes rows and records from the executor, writes the manifest, decides what is next.

Its memory holds the chunks of videos in flight and a few words per source; a video's chunks are dropped when the
video goes to assemble.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.forecast import Forecast
from pipeline.manifest import ManifestWriter
from pipeline.rows import AssembleRow, ChunkRow, DoneRow, FatalRow, Row, SourceRow, VideoRow
from pipeline.schemas import DIED, DONE, REDUCED, RETRIED, TIMED_OUT, Event, Record, VideoRecord
from pipeline.standing import Step
from pipeline.stopping import Stop
from pipeline.storage import StorageError
from pipeline.tally import Failure, Tally
from pipeline.wrapper import SetupError
from stages.items import Chunk

Progress = Callable[[Step], None]
"""Called when an item of a stage is settled. Totals of chunks grow while videos are being split."""


_MOST_TROUBLE = 1000
"""Attempts that failed are remembered of a video in flight, up to so many; the manifest has them all."""


@dataclass(slots=True)
class _Flight:
    """A source on its way."""

    chunks: dict[int, Chunk] = field(default_factory=dict)
    failed: bool = False
    end: VideoRow | None = None


class Driver:
    """Keeps the account of a run.

    Args:
        manifest: written by nobody else.
        sources: source -> bytes, of all sources.
        progress: see ``Progress``.
        stop: when it is asked, videos that are not complete are left as they are.
        chunks: source -> number of its chunks, where an earlier run has counted them.
    """

    def __init__(
        self,
        manifest: ManifestWriter,
        sources: Mapping[str, int],
        progress: Progress | None = None,
        stop: Stop | None = None,
        chunks: Mapping[str, int] | None = None,
    ) -> None:
        self.manifest, self.total, self.progress = manifest, len(sources), progress
        self.stop = Stop() if stop is None else stop
        self.tally = Tally()
        self.states: dict[str, str] = {}
        self.deferred: list[SourceRow] = []
        self._flights: dict[str, _Flight] = {}
        self._split: set[str] = set()
        self._named: dict[str, str] = {}
        self._blamed: dict[str, str] = {}
        self._trouble: dict[str, list[dict[str, Any]]] = {}
        self._counted = chunks or {}
        self._forecast = Forecast(sources)
        self._made: Counter[str] = Counter()
        self._broken: dict[str, set[str]] = {"split": set(), "assemble": set()}
        self._before = 0
        for stage in ("split", "assemble"):
            self._show(stage)

    def record(self, records: Sequence[Record]) -> None:
        """Take records from a worker: into the manifest and the tally.

        Raises:
            FencedError: if another driver has taken over.
        """
        self.manifest.append(records)
        for record in records:
            if isinstance(record, VideoRecord) and record.video:
                self._named.setdefault(record.video, record.source)
            if isinstance(record, Event):
                self._note_trouble(record)
                changed = self.tally.add(record)
                # Split makes chunks, too, but its account is of videos.
                whole = record.stage not in CHUNK_STAGES
                self._made[record.stage] += record.outcome == DONE and whole == (record.chunk < 0)
                if changed:
                    self._show_event(record)

    def receive(self, row: Row) -> AssembleRow | None:
        """Take a row that has come to the end of its way; return the video to assemble, if this completes one.

        Raises:
            SetupError, StorageError: if the row says that the run cannot go on.
        """
        if isinstance(row, FatalRow):
            raise SetupError(row.message) if row.setup else StorageError(row.message)
        if isinstance(row, ChunkRow):
            flight = self._flights.setdefault(row.source, _Flight())
            flight.chunks[row.chunk.index] = row.chunk  # keyed: a worker that died may have sent its last rows twice
            if row.failed:
                flight.failed = True
                self._blamed.setdefault(row.chunk.video, row.source)
            # While stopping, a chunk comes out of the pools whether or not all of them have worked on it.
            return None if self.stop else self._complete(row.source)
        if isinstance(row, VideoRow):
            return self._end_of_split(row)
        if isinstance(row, DoneRow) and row.state != "left":
            self._settle(row.source, row.state)
        return None

    def abandon(self, sources: Sequence[str]) -> list[str]:
        """Return those of the sources that were never settled (their split worker was lost), and mark them failed."""
        later = {source.shown for source in self.deferred}
        lost = [source for source in sources if source not in self.states and source not in later]
        for source in lost:
            self._settle(source, "failed")
        return lost

    def take_deferred(self, together: bool) -> list[SourceRow]:
        """Hand over the sources that waited for another of the same content, whose artifacts are there by now.

        Args:
            together: all of them; False: one of each content, the others wait again. Where artifacts are removed as
                soon as a video is published, one would lose them to another.
        """
        waiting, self.deferred = self.deferred, []
        if together:
            return waiting
        first: dict[str, SourceRow] = {}
        for source in waiting:
            if first.setdefault(source.sha256, source) is not source:
                self.deferred.append(source)
        return list(first.values())

    def failures(self) -> list[Failure]:
        """Return what failed for good in this run; of chunks whose content several sources have, the first is named.

        That is the first that wanted them: another one may have been published before.
        """
        names = self._named | self._blamed
        return [replace(each, source=each.source or names.get(each.video, "")) for each in self.tally.failures.values()]

    def _note_trouble(self, event: Event) -> None:
        # What becomes of assemble comes too late for its own account, and is no matter of another source's.
        if event.video and event.stage != "assemble" and event.outcome in (RETRIED, DIED, TIMED_OUT, REDUCED):
            told = self._trouble.setdefault(event.video, [])
            if len(told) < _MOST_TROUBLE:
                what = {name: getattr(event, name) for name in ("stage", "chunk", "attempt", "outcome", "message")}
                told.append({**what, "worker": event.worker, "began": event.started.isoformat(timespec="seconds")})

    def _end_of_split(self, row: VideoRow) -> AssembleRow | None:
        source = row.source.shown
        if row.state == "duplicate":
            self.deferred.append(replace(row.source, first=False))
            self._forecast.drop(source)
            return None
        if row.state == "finished":
            self._count_finished(source)
            self._settle(source, "reused")
        elif row.state == "lacking":
            self._count_finished(source)
        elif row.state == "failed":
            self._broken["split"].add(source)
            self._forecast.drop(source)
            self._settle(source, "failed")
        else:
            self._forecast.split(source, row.chunks)
        self._show_split(source)
        if row.state == "lacking":
            return None if self.stop else AssembleRow(row.source, ())
        if row.state == "split":
            self._flights.setdefault(source, _Flight()).end = row
            return None if self.stop else self._complete(source)
        return None

    def _complete(self, source: str) -> AssembleRow | None:
        flight = self._flights.get(source)
        if source in self.states:
            self._flights.pop(source, None)  # chunks of a video whose split failed half-way
            return None
        if flight is None or flight.end is None or len(flight.chunks) < flight.end.chunks:
            return None
        if flight.failed:
            self._settle(source, "failed")
            return None
        self._flights.pop(source)
        chunks = tuple(flight.chunks[index] for index in sorted(flight.chunks))
        return AssembleRow(flight.end.source, chunks, tuple(self._trouble.pop(chunks[0].video, ())))

    def _settle(self, source: str, state: str) -> None:
        flight = self._flights.pop(source, None)
        if state == "failed":
            self._broken["assemble"].add(source)
            for chunk in flight.chunks.values() if flight else ():
                self._trouble.pop(chunk.video, None)  # told by the manifest; no provenance will be written
        self.states[source] = state
        self._show("assemble", source)

    def _show_event(self, event: Event) -> None:
        if event.chunk < 0:
            if event.stage == "split":
                self._show_split(event.source)
            return
        # A chunk that comes out of split, or fails, changes what the later stages have before them.
        for stage in STAGES[max(1, STAGES.index(event.stage)) : -1]:
            self._show(stage, event.video if stage == event.stage else "", event.chunk)

    def _count_finished(self, source: str) -> None:
        """Count the chunks of a video that was published before among those that are done: nobody will look at them."""
        chunks = self._counted.get(source, 0)
        self._before += chunks
        self._forecast.split(source, chunks)
        for stage in CHUNK_STAGES if chunks else ():
            self._show(stage)

    def _show_split(self, source: str) -> None:
        self._split.add(source)
        self._show("split", source)
        for stage in CHUNK_STAGES if len(self._split) == self.total else ():
            self._show(stage)  # what is expected is known now

    def _show(self, stage: str, item: str = "", chunk: int = -1) -> None:
        if self.progress is None:
            return
        if stage in CHUNK_STAGES:
            failed, lost = self.tally.failed(stage), self.tally.lost(stage)
            known = self.tally.known() + self._before
            expected = self._forecast.expected(known)
            done = self.tally.done(stage) + failed + self._before
            whole = None if expected is None else expected - lost
            step = Step(stage, done, known - lost, failed, self._made[stage], whole, item, chunk)
        else:
            done = len(self._split if stage == "split" else self.states)
            step = Step(stage, done, self.total, len(self._broken[stage]), self._made[stage], self.total, item)
        self.progress(step)
