"""How many workers each stage has, and what each of them asks Ray for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config_running import Pool, Pools
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.wrapper import SetupError

_SIGNS = {*"!()"}
"""In a label selector they say more than one value: ``!spot``, ``in(a,b)``."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker of a stage asks for, and how many there are.

    Attributes:
        least, most: number of workers.
        cpus, gpus, resources, labels: what each asks for.
        slots: workers of all stages sized by measurement together; 0: this one is not.
    """

    least: int
    most: int
    cpus: float
    gpus: float
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    slots: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """What Ray wants to hear."""
        asked = {"num_cpus": self.cpus, "num_gpus": self.gpus, "resources": dict(self.resources)}
        return {**asked, "label_selector": dict(self.labels)} if self.labels else asked

    def is_apart(self, other: Share) -> bool:
        """Whether no machine can have workers of both: their labels ask for two values of one key."""
        both = [(self.labels[key], other.labels[key]) for key in self.labels.keys() & other.labels.keys()]
        return any(mine != theirs and not _SIGNS & {*mine, *theirs} for mine, theirs in both)


def shares(pools: Pools, cpus: float, gpus: float, threads: int = 1) -> dict[str, Share]:
    """Return stage -> share for a cluster with this many cores and GPUs.

    Without GPUs, all workers share the cores by fractions, so that all five pools fit on a laptop. With GPUs, flow,
    sample and decode get one each, or equal fractions if there are fewer GPUs than workers; the others get a core each.
    What the configuration says goes before. Where it says nothing of a most, flow, sample and decode share the room
    that is left equally, until their times are known (``balanced``).

    Args:
        pools: the configuration.
        cpus: cores of the cluster.
        gpus: GPUs of the cluster.
        threads: of a worker; without GPUs, each takes so many cores.
    """
    wanted: Mapping[str, Pool] = {stage: getattr(pools, stage) for stage in STAGES}
    auto = [stage for stage in CHUNK_STAGES if is_auto(wanted[stage])]
    fixed = sum(max(pool.min, pool.max or 0) for stage, pool in wanted.items() if stage not in auto)
    gpu_workers = sum(wanted[stage].min for stage in CHUNK_STAGES)
    gpu = 0.0 if gpus == 0 else 1.0 if gpus >= gpu_workers else _floor(gpus / gpu_workers)
    if gpus == 0:
        room = int(cpus) // max(1, threads) - fixed
    else:
        taken = sum(max(wanted[stage].min, wanted[stage].max or 0) for stage in CHUNK_STAGES if stage not in auto)
        room = min(int(gpus / gpu + 1e-6) - taken, int(cpus) - fixed)
    slots = max(sum(wanted[stage].min for stage in auto), room)
    most = dict(zip(auto, balanced([1.0] * len(auto), slots), strict=True))
    workers = fixed + slots
    cpu = _floor(cpus / workers) if gpus == 0 or cpus < workers else 1.0
    return {
        stage: Share(
            least=pool.min,
            most=max(pool.min, pool.max or 0, most.get(stage, 0)),
            cpus=pool.cpus if pool.cpus is not None else min(1.0, cpu),
            gpus=pool.gpus if pool.gpus is not None else gpu if stage in CHUNK_STAGES else 0.0,
            resources=pool.resources,
            labels=pool.labels,
            slots=slots if stage in auto else 0,
        )
        for stage, pool in wanted.items()
    }


def is_auto(pool: Pool) -> bool:
    """Whether a chunk stage's number of workers is left to measurement: nothing is said that would bind it."""
    return pool.max is None and pool.min == 1 and pool.cpus is None and not (pool.gpus or pool.resources or pool.labels)


def balanced(seconds: Sequence[float], slots: int) -> list[int]:
    """Return how many of ``slots`` workers each stage gets, so that the slowest is as fast as can be.

    Args:
        seconds: that a worker of each stage takes for a chunk.
        slots: workers to give out; each stage gets at least one in any case.
    """
    counts = [1] * len(seconds)
    for _ in range(slots - len(counts) if counts else 0):
        slowest = max(range(len(counts)), key=lambda index: seconds[index] / counts[index])
        counts[slowest] += 1
    return counts


def check_fits(sizes: Mapping[str, Share], cpus: float, gpus: float) -> None:
    """Make sure that the least workers of all pools fit together on a machine that cannot grow.

    Raises:
        SetupError: if they do not.
    """
    for what, has, wanted in (
        ("cores", cpus, {stage: share.least * share.cpus for stage, share in sizes.items()}),
        ("GPUs", gpus, {stage: share.least * share.gpus for stage, share in sizes.items()}),
    ):
        if sum(wanted.values()) > has + 1e-6:
            listed = ", ".join(f"{stage} {amount:g}" for stage, amount in wanted.items() if amount)
            raise SetupError(f"the pools ask for more {what} than the {has:g} of this machine: {listed}; lower pools.*")


def _floor(share: float) -> float:
    """Round down to hundredths, at least one of them."""
    return max(0.01, math.floor(share * 100) / 100)
