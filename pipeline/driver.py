"""The driver's side of a run: takes rows and records from the executor, writes the manifest, decides what is next.

Its memory holds the chunks of videos in flight and a few words per source; a video's chunks are dropped when the
video goes to assemble.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.fingerprint import STAGES
from pipeline.manifest import ManifestWriter
from pipeline.rows import AssembleRow, ChunkRow, DoneRow, FatalRow, Row, SourceRow, VideoRow
from pipeline.schemas import DIED, DONE, FAILED, RETRIED, Event, Record
from pipeline.storage import StorageError
from pipeline.tally import Failure, Tally
from pipeline.wrapper import SetupError
from stages.items import Chunk

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, source or video) when an item of a stage is settled. For split and assemble, done
and total count videos; for flow, sample and decode they count chunks, and total grows while videos are being split.
Items that failed count as done."""


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
        total: number of sources.
        progress: see ``Progress``.
    """

    def __init__(self, manifest: ManifestWriter, total: int, progress: Progress | None = None) -> None:
        self.manifest, self.total, self.progress = manifest, total, progress
        self.tally = Tally()
        self.states: dict[str, str] = {}
        self.deferred: list[SourceRow] = []
        self._flights: dict[str, _Flight] = {}
        self._split: set[str] = set()
        self._trouble: dict[str, list[dict[str, Any]]] = {}
        for stage in ("split", "assemble"):
            self._show(stage, 0, total, "")

    def record(self, records: Sequence[Record]) -> None:
        """Take records from a worker: into the manifest and the tally.

        Raises:
            FencedError: if another driver has taken over.
        """
        self.manifest.append(records)
        for record in records:
            if isinstance(record, Event):
                self._note_trouble(record)
                if self.tally.add(record):
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
            flight.failed |= bool(row.failed)
            return self._complete(row.source)
        if isinstance(row, VideoRow):
            return self._end_of_split(row)
        if isinstance(row, DoneRow):
            self._settle(row.source, row.state)
        return None

    def abandon(self, sources: Sequence[str]) -> list[str]:
        """Return those of the sources that were never settled (their split worker was lost), and mark them failed."""
        later = {source.shown for source in self.deferred}
        lost = [source for source in sources if source not in self.states and source not in later]
        for source in lost:
            self._settle(source, "failed")
        return lost

    def failures(self) -> list[Failure]:
        """Return what failed for good in this run."""
        return list(self.tally.failures.values())

    def _note_trouble(self, event: Event) -> None:
        if event.video and event.outcome in (RETRIED, DIED):
            told = self._trouble.setdefault(event.video, [])
            if len(told) < _MOST_TROUBLE:
                what = {name: getattr(event, name) for name in ("stage", "chunk", "attempt", "outcome", "message")}
                told.append({**what, "worker": event.worker, "began": event.started.isoformat(timespec="seconds")})

    def _end_of_split(self, row: VideoRow) -> AssembleRow | None:
        source = row.source.shown
        if row.state == "duplicate":
            self.deferred.append(replace(row.source, first=False))
            return None
        self._show_split(source)
        if row.state == "finished":
            self._settle(source, "reused")
        elif row.state == "failed":
            self._settle(source, "failed")
        else:
            self._flights.setdefault(source, _Flight()).end = row
            return self._complete(source)
        return None

    def _complete(self, source: str) -> AssembleRow | None:
        flight = self._flights.get(source)
        if source in self.states:
            self._flights.pop(source, None)  # chunks of a video whose split failed half-way
            return None
        if flight is None or flight.end is None or len(flight.chunks) < flight.end.chunks:
            return None
        self._flights.pop(source)
        if flight.failed:
            self._settle(source, "failed")
            return None
        chunks = tuple(flight.chunks[index] for index in sorted(flight.chunks))
        return AssembleRow(flight.end.source, chunks, tuple(self._trouble.pop(chunks[0].video, ())))

    def _settle(self, source: str, state: str) -> None:
        self._flights.pop(source, None)
        self.states[source] = state
        self._show("assemble", len(self.states), self.total, source)

    def _show_event(self, event: Event) -> None:
        if event.chunk < 0:
            if event.stage == "split":
                self._show_split(event.source)
            return
        # A chunk that comes out of split, or fails, changes what the later stages have before them.
        for stage in STAGES[max(1, STAGES.index(event.stage)) : -1]:
            done = self.tally.done(stage) + self.tally.failed(stage)
            self._show(stage, done, self.tally.known() - self.tally.lost(stage), event.video)

    def _show_split(self, source: str) -> None:
        self._split.add(source)
        self._show("split", len(self._split), self.total, source)

    def _show(self, stage: str, done: int, total: int, video: str) -> None:
        if self.progress is not None:
            self.progress(stage, done, total, video)


def summary(states: dict[str, str]) -> dict[str, int]:
    """Return how many sources ended in each state."""
    counts = {DONE: 0, "reused": 0, FAILED: 0}
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    return counts
