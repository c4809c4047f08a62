"""What the deaths cost that a run of ``tests/chaos/worker_boundary_kills.py`` has written down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Toll:
    """Deaths by stage, how many artifacts were made again, and the longest time until the stage had good news."""

    stages: Counter[str]
    again: int
    seconds: float

    def row(self, fault: str) -> tuple[str, int, int, int, float]:
        """Its row in the table of faults."""
        return fault, self.stages.total(), 0, self.again, self.seconds


def toll(deaths: Path, rows: list[dict[str, Any]]) -> Toll:
    """Count, by the table ``events``."""
    told = [line.split(maxsplit=2) for line in deaths.read_text().splitlines()]
    good = [(row["stage"], row["recorded"].timestamp()) for row in rows if row["outcome"] in ("done", "reused")]
    waits = [
        min(at for which, at in good if which == stage and at > float(died)) - float(died) for died, stage, _ in told
    ]
    made = [(row["fingerprint"], row["chunk"]) for row in rows if row["outcome"] == "done"]
    return Toll(Counter(stage for _, stage, _ in told), len(made) - len(set(made)), max(waits))
