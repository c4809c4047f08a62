"""What a run has to say at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.tally import Failure
from stages.wording import counted


@dataclass(frozen=True, slots=True)
class RunReport:
    """The account of one run.

    Attributes:
        workspace: URL of the workspace.
        output: URL of the output folder.
        epoch: the driver's epoch; 0 if none was needed.
        seconds: wall-clock time.
        videos: source -> "done" (assembled in this run), "reused" (published before, verified) or "failed".
        stages: stage -> outcome -> number of events in this run. For flow, sample and decode an event is a chunk; split
            has one more per video; "retried", "died" and "damaged" count attempts and artifacts, not items.
        failures: items that failed for good in this run.
        damage: source -> what of it could not be read, with timestamps; the rest of it was restored.
        left_out: source -> what of it is not in the result, like a second video stream.
        decoded_sound: source -> which of its sound is kept as samples, because Matroska cannot hold it as it is coded.
        left: videos that are not settled, because the run was asked to stop.
    """

    workspace: str
    output: str
    epoch: int
    seconds: float
    videos: dict[str, str]
    stages: dict[str, dict[str, int]]
    failures: list[Failure] = field(default_factory=list)
    damage: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    decoded_sound: dict[str, str] = field(default_factory=dict)
    left: int = 0

    @classmethod
    def of_nothing(cls, workspace: str, output: str) -> RunReport:
        """Return the account of a run that had nothing to do, and was never begun."""
        return cls(workspace, output, epoch=0, seconds=0.0, videos={}, stages={})

    @property
    def ok(self) -> bool:
        """Whether every video was published."""
        return not self.left and not any(state == "failed" for state in self.videos.values())

    def count(self, state: str) -> int:
        """Return the number of videos that ended in a state."""
        return sum(found == state for found in self.videos.values())

    def computed(self) -> int:
        """Return how many artifacts were made in this run, of all stages."""
        return sum(outcomes.get("done", 0) for outcomes in self.stages.values())

    def reused(self) -> int:
        """Return how many artifacts were found whole and not made again."""
        return sum(outcomes.get("reused", 0) for outcomes in self.stages.values())

    def summary(self) -> str:
        """Return the account as one line for people."""
        parts = [f"{self.count('done')} restored"]
        if self.count("reused"):
            parts.append(f"{self.count('reused')} already done")
        if self.damage:
            parts.append(f"{len(self.damage)} of them damaged at the source")
        if self.count("failed"):
            parts.append(f"{self.count('failed')} failed")
        if self.left:
            parts.append(f"{self.left} left")
        work = f"{counted(self.computed(), 'artifact')} made, {self.reused()} reused"
        return f"{counted(len(self.videos) + self.left, 'video')}: {', '.join(parts)} ({work}) in {self.seconds:.0f} s"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return asdict(self)
