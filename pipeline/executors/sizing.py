"""How many workers each stage has, and what each of them asks Ray for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.config_running import Pool, Pools
from pipeline.executors.machines import (
    Machine,
    Seats,
    connected,
    core_share,
    fit,
    hundredths,
    placed,
    seats_of,
    take,
)
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
        seats: for the workers of all stages that are sized by measurement; none: this one is not.
        spare: workers of split or assemble beyond the most that there may be if it proves too slow for the others.
    """

    least: int
    most: int
    cpus: float
    gpus: float
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    seats: Seats = field(default_factory=dict)
    spare: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """What Ray wants to hear."""
        asked = {"num_cpus": self.cpus, "num_gpus": self.gpus, "resources": dict(self.resources)}
        return {**asked, "label_selector": dict(self.labels)} if self.labels else asked

    def is_apart(self, other: Share) -> bool:
        """Whether no machine can have workers of both: their labels ask for two values of one key."""
        both = [(self.labels[key], other.labels[key]) for key in self.labels.keys() & other.labels.keys()]
        return any(mine != theirs and not _SIGNS & {*mine, *theirs} for mine, theirs in both)


def shares(pools: Pools, machines: Sequence[Machine], threads: int = 1) -> dict[str, Share]:
    """Return stage -> share for a cluster of these machines.

    Without GPUs, all workers share the cores by fractions, so that all five pools fit on a laptop. With GPUs, flow,
    sample and decode get one each, or equal fractions if there are fewer GPUs than workers; the others get a core each.
    What the configuration says goes before. Where it says nothing of a most, flow, sample and decode share the room
    that is left equally on the machines of their labels, until their times are known (``placed``), and split and
    assemble may take a half each of the cores that are left beside GPUs. Without GPUs these two are never the slowest.

    Args:
        pools: the configuration.
        machines: of the cluster.
        threads: of a worker; without GPUs, each takes so many cores.
    """
    wanted: Mapping[str, Pool] = {stage: getattr(pools, stage) for stage in STAGES}
    homes = {
        stage: frozenset(number for number, machine in enumerate(machines) if machine.suits(pool.labels))
        for stage, pool in wanted.items()
    }
    auto = [stage for stage in CHUNK_STAGES if is_auto(wanted[stage]) and homes[stage]]
    bound = {stage: max(pool.min, pool.max or 0) for stage, pool in wanted.items() if stage not in auto}
    cores, with_gpus = [machine.cpus for machine in machines], any(machine.gpus for machine in machines)
    gpu, seats = _gpu_seats(wanted, homes, machines)
    if not with_gpus:
        seats = seats_of(homes, [int(size) // max(1, threads) for size in cores])
    for stage, count in bound.items():
        take(seats, stage, count)
    seats = _left(seats, auto, int(sum(cores)) - sum(bound.values()) if with_gpus else seats.total())
    most = placed(dict.fromkeys(auto, 1.0), seats)
    chunk_workers = sum(bound.get(stage, 0) + most.get(stage, 0) for stage in CHUNK_STAGES)
    cpu = dict.fromkeys(STAGES, core_share(cores, sum(bound.values()) + sum(most.values())))
    if with_gpus:
        near = core_share([machine.cpus for machine in machines if machine.gpus], chunk_workers)
        cpu |= {stage: min(cpu[stage], near) for stage in CHUNK_STAGES}
    found = {
        stage: Share(
            least=pool.min,
            most=most.get(stage, bound.get(stage, 1)),
            cpus=pool.cpus if pool.cpus is not None else cpu[stage],
            gpus=pool.gpus if pool.gpus is not None else gpu.get(stage, 0.0),
            resources=pool.resources,
            labels=pool.labels,
            seats=seats if stage in auto else {},
        )
        for stage, pool in wanted.items()
    }
    return _with_spare(found, wanted, sum(cores)) if with_gpus else found


def _with_spare(found: Mapping[str, Share], wanted: Mapping[str, Pool], cores: float) -> dict[str, Share]:
    """Let split and assemble have half each of the cores that no worker asks for."""
    spare = max(0, int(cores - sum(share.most * share.cpus for share in found.values()))) // 2
    growing = {stage for stage in ("split", "assemble") if is_auto(wanted[stage]) and not wanted[stage].labels}
    return {stage: replace(share, spare=spare if stage in growing else 0) for stage, share in found.items()}


def is_auto(pool: Pool) -> bool:
    """Whether a stage's number of workers is left to measurement: nothing is said that would bind it.

    Labels do not: they say where its workers are, not how many.
    """
    return pool.max is None and pool.min == 1 and pool.cpus is None and not (pool.gpus or pool.resources)


def balanced(seconds: Sequence[float], slots: int) -> list[int]:
    """Return how many of ``slots`` workers each stage gets, so that the slowest is as fast as can be.

    Args:
        seconds: that a worker of each stage takes for a chunk.
        slots: workers to give out, for any stage; each stage gets at least one in any case.
    """
    names = {str(number): each for number, each in enumerate(seconds)}
    return list(placed(names, {frozenset(names): slots}).values())


def _gpu_seats(
    wanted: Mapping[str, Pool], homes: Mapping[str, frozenset[int]], machines: Sequence[Machine]
) -> tuple[dict[str, float], Counter[frozenset[str]]]:
    """Return what of a GPU a worker of each stage asks for, and the seats that this makes.

    A GPU is shared by whole numbers of workers: of two GPUs, three workers get half of one each. Two thirds would fit
    by the sum alone, since a worker's share is of one GPU.
    """
    has = frozenset(number for number, machine in enumerate(machines) if machine.gpus)
    near = {stage: homes[stage] & has for stage in CHUNK_STAGES}
    share = {stage: float(bool(has) and not homes[stage]) for stage in CHUNK_STAGES}  # its machines may come later
    seats: Counter[frozenset[str]] = Counter()
    for part in connected({stage: places for stage, places in near.items() if places}):
        workers = {stage: wanted[stage].min for stage in part}
        for each in range(1, sum(workers.values()) + 1):
            found = seats_of({stage: near[stage] for stage in part}, [int(machine.gpus) * each for machine in machines])
            if fit(workers, found):
                break
        share |= dict.fromkeys(part, hundredths(1 / each))
        seats += found
    return share, seats


def _left(seats: Seats, stages: Sequence[str], most: int) -> Counter[frozenset[str]]:
    """Return the seats that workers of these stages can have, no more than ``most``."""
    found: Counter[frozenset[str]] = Counter()
    for kind, count in seats.items():
        if able := kind & frozenset(stages):
            found[able] += count
    for kind, count in found.most_common():
        found[kind] -= min(count, max(0, found.total() - most))
    return found


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
