"""The machines of a cluster as far as the pools' sizes depend on them: cores, GPUs, labels, and seats for workers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Seats = Mapping[frozenset[str], int]
"""Places for workers that are alike: the stages that may have one, and how many there are."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, GPUs and labels."""

    cpus: float
    gpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)

    def suits(self, selector: Mapping[str, str]) -> bool:
        """Whether Ray would run there what asks for these labels (its ``label_selector``)."""
        return all(_agrees(self.labels.get(key), wanted) for key, wanted in selector.items())


def _agrees(value: str | None, wanted: str) -> bool:
    """Compare a machine's label with ``a``, ``!a``, ``in(a,b)`` or ``!in(a,b)``; what has none agrees with a "not"."""
    asked = wanted.removeprefix("!").strip()
    if asked.startswith("in(") and asked.endswith(")"):
        among = {each.strip() for each in asked[3:-1].split(",")}
    else:
        among = {asked}
    return (value in among) != wanted.startswith("!")


def take(seats: Counter[frozenset[str]], stage: str, count: int = 1) -> int:
    """Take up to so many seats for workers of a stage, first those that the fewest others could have.

    Returns:
        How many were taken.
    """
    taken = 0
    for kind in sorted((kind for kind in seats if stage in kind), key=lambda kind: (len(kind), sorted(kind))):
        some = min(seats[kind], count - taken)
        seats[kind] -= some
        taken += some
    return taken


def placed(seconds: Mapping[str, float], seats: Seats) -> dict[str, int]:
    """Return how many of the seats each stage gets, so that the slowest is as fast as can be.

    Args:
        seconds: stage -> what one of its workers takes for a chunk.
        seats: to give out; each stage gets at least one worker in any case.
    """
    free = Counter(seats)
    counts = dict.fromkeys(seconds, 1)
    for stage in sorted(seconds, key=lambda stage: sum(free[kind] for kind in free if stage in kind)):
        take(free, stage)
    able = list(seconds)
    while able:
        slowest = max(able, key=lambda stage: seconds[stage] / counts[stage])
        if take(free, slowest):
            counts[slowest] += 1
        else:
            able.remove(slowest)
    return counts


def fit(workers: Mapping[str, int], seats: Seats) -> bool:
    """Whether there is a seat for each of so many workers of each stage."""
    free = Counter(seats)
    narrowest = sorted(workers, key=lambda stage: sum(free[kind] for kind in free if stage in kind))
    return all(take(free, stage, workers[stage]) == workers[stage] for stage in narrowest)


def core_share(cores: Sequence[float], workers: int) -> float:
    """Return how much of a core each worker may ask for, so that all of them fit: one at most.

    A worker's share is of one machine's cores: of two machines with two cores each, five workers can have 2/3 each, not
    4/5.
    """
    if not sum(cores) or sum(map(int, cores)) >= workers:  # none yet: the cluster will grow
        return 1.0
    tried = {hundredths(size / count) for size in cores for count in range(1, workers + 1) if size}
    roomy = (share for share in tried if sum(int(size / share + 1e-9) for size in cores) >= workers)
    return min(1.0, max(roomy, default=0.01))


def connected(homes: Mapping[str, frozenset[int]]) -> list[list[str]]:
    """Part the stages so that those of different parts never run on the same machine.

    Args:
        homes: stage -> numbers of the machines that it may run on.
    """
    parts: list[tuple[list[str], frozenset[int]]] = []
    for stage, places in homes.items():
        near = [part for part in parts if part[1] & places]
        parts = [part for part in parts if part not in near]
        stages = [each for part in near for each in part[0]]
        parts.append(([*stages, stage], places.union(*(part[1] for part in near))))
    return [stages for stages, _ in parts]


def seats_of(homes: Mapping[str, frozenset[int]], counts: Iterable[int]) -> Counter[frozenset[str]]:
    """Return the seats of machines that have so many each, in their order."""
    found: Counter[frozenset[str]] = Counter()
    for number, count in enumerate(counts):
        if able := frozenset(stage for stage, places in homes.items() if number in places):
            found[able] += count
    return found


def hundredths(share: float) -> float:
    """Round down to hundredths, at least one of them."""
    return max(0.01, math.floor(share * 100 + 1e-9) / 100)
