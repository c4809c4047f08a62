"""How many cores and GPUs each worker asks Ray for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.config import Pool, Pools
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.wrapper import SetupError


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker of a stage asks for, and how many there are."""

    least: int
    most: int
    cpus: float
    gpus: float
    resources: Mapping[str, float] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """What Ray wants to hear."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "resources": dict(self.resources)}


def shares(pools: Pools, cpus: float, gpus: float) -> dict[str, Share]:
    """Return stage -> share for a cluster with this many cores and GPUs.

    Without GPUs, all workers share the cores by fractions, so that all five pools fit on a laptop. With GPUs, flow,
    sample and decode get one each, or equal fractions if there are fewer GPUs than workers; the others get a core each.
    What the configuration says goes before.
    """
    wanted: Mapping[str, Pool] = {stage: getattr(pools, stage) for stage in STAGES}
    workers = sum(max(pool.min, pool.max or 0) for pool in wanted.values())
    cpu = _floor(cpus / workers) if gpus == 0 or cpus < workers else 1.0
    gpu_workers = sum(wanted[stage].min for stage in CHUNK_STAGES)
    gpu = 0.0 if gpus == 0 else 1.0 if gpus >= gpu_workers else _floor(gpus / gpu_workers)
    return {
        stage: Share(
            least=pool.min,
            most=max(pool.min, pool.max or 0),
            cpus=pool.cpus if pool.cpus is not None else min(1.0, cpu),
            gpus=pool.gpus if pool.gpus is not None else gpu if stage in CHUNK_STAGES else 0.0,
            resources=pool.resources,
        )
        for stage, pool in wanted.items()
    }


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
