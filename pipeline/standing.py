"""Where a run stands, for people: the same account from the driver as it works and from the manifest alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.fingerprint import CHUNK_STAGES


@dataclass(frozen=True, slots=True)
class Step:
    """Where a stage stands when one of its items has been settled.

    For split and assemble, items are videos; for flow, sample and decode they are chunks.

    Attributes:
        stage: name of the stage.
        done: items settled: made, found whole, or failed.
        total: items known so far.
        failed: those of ``done`` that failed for good.
        made: those of ``done`` that were made in this run.
        expected: items that there will be when every video is split; None if nothing tells yet.
        item: source or video that was settled last, "" for none.
        chunk: its chunk, -1 for a whole video.
    """

    stage: str
    done: int
    total: int
    failed: int = 0
    made: int = 0
    expected: int | None = None
    item: str = ""
    chunk: int = -1


@dataclass(frozen=True, slots=True)
class StageStanding:
    """A stage's account.

    Attributes:
        stage, done, total, failed, expected: see ``Step``.
        rate: items made per second lately; None if nothing was made yet.
    """

    stage: str
    done: int = 0
    total: int = 0
    failed: int = 0
    expected: int | None = None
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the stage needs for the rest at its pace; None if nobody can say."""
        whole = self.expected if self.stage in CHUNK_STAGES else self.total
        if whole is None or (self.rate is None and self.done < whole):
            return None
        return 0.0 if self.done >= whole else (whole - self.done) / (self.rate or 1.0)


def seconds_left(stages: Sequence[StageStanding]) -> float | None:
    """Return how long the run will take from here: as long as the slowest of its chunk stages; None if unknown."""
    times = [stage.seconds_left for stage in stages if stage.stage in CHUNK_STAGES]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None
