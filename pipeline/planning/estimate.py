"""What a run would take: frames, chunks, worker-hours, cost, bytes and time, from a survey and a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.config import RunConfig
from pipeline.executors.sizing import balanced
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.planning.calibration import Calibration, canvas_pixels
from pipeline.planning.probe import Probe

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class PoolEstimate:
    """What one pool would do.

    Attributes:
        worker_hours: time of one worker.
        gpu_hours: worker-hours times GPUs per worker; 0 if the calibration was made without a GPU.
        cost: worker-hours times ``pools.<stage>.price``; None if no price is set.
        bytes: size of its artifacts.
    """

    worker_hours: float
    gpu_hours: float
    cost: float | None
    bytes: int


@dataclass(frozen=True, slots=True)
class WallTime:
    """How long a run would take on so many devices.

    Attributes:
        devices: GPUs; machines like the calibrated one, if that has none.
        hours: wall-clock time, without the start.
        pools: workers per pool that it is meant for.
        limit: the pool that decides it.
    """

    devices: int
    hours: float
    pools: Mapping[str, int] = field(default_factory=dict)
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """All of it.

    Attributes:
        pools: stage -> what its workers would do.
        scratch_bytes: artifacts of all chunks, if all are kept (``limits.keep_artifacts``).
        output_bytes: restored videos and their sidecars.
        cost: sum of the pools' costs; None if one has no price.
        wall: for each number of devices that was asked for.
    """

    pools: Mapping[str, PoolEstimate]
    scratch_bytes: int
    output_bytes: int
    cost: float | None
    wall: Sequence[WallTime]


def estimate(
    found: Sequence[Probe], config: RunConfig, calibration: Calibration, devices: Sequence[int] = (1,)
) -> Estimate:
    """Work out what restoring the readable ones of ``found`` would take.

    A content that several sources have is restored once, and published for each.

    Raises:
        CalibrationError: if the calibration does not cover all stages.
    """
    seconds, sizes = dict.fromkeys(STAGES, 0.0), dict.fromkeys(STAGES, 0.0)
    longest, seen = 0.0, set()
    canvases: dict[tuple[int, int], int] = {}
    for each in found:
        if each.error:
            continue
        first = not each.sha256 or each.sha256 not in seen
        seen.add(each.sha256)
        pixels = {"split": each.width * each.height}
        canvas = canvases.get((each.width, each.height)) or canvas_pixels(each.width, each.height, config)
        canvases[each.width, each.height] = canvas
        for stage in STAGES if first else ("assemble",):
            size = pixels.get(stage, canvas)
            time = calibration.predict(stage, "seconds", size, sum(each.chunks))
            seconds[stage] += time
            sizes[stage] += calibration.predict(stage, "bytes", size, sum(each.chunks))
            longest = max(longest, time / HOUR) if stage == "split" else longest
    hours = {stage: value / HOUR for stage, value in seconds.items()}
    pools = {stage: _pool(stage, hours[stage], sizes[stage], config, calibration) for stage in STAGES}
    costs = [pool.cost for pool in pools.values()]
    return Estimate(
        pools=pools,
        scratch_bytes=sum(pools[stage].bytes for stage in STAGES[:-1]),
        output_bytes=pools["assemble"].bytes,
        cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        wall=[wall_time(hours, count, config, calibration.gpu, longest) for count in devices],
    )


def wall_time(hours: Mapping[str, float], devices: int, config: RunConfig, gpu: bool, longest: float) -> WallTime:
    """Return how long a run takes on so many devices.

    With GPUs, the pools run side by side and the slowest decides. flow, sample and decode share the GPUs by their
    times, as the executor does it; fewer than three GPUs are shared by fractions. split and assemble have the workers
    that the configuration gives them, and no video is split faster than by one worker (``longest``). Without GPUs, all
    pools share a machine's cores, so their times add up.
    """
    if not gpu:
        return WallTime(devices, max(sum(hours.values()) / devices, longest), {}, "the cores, which all pools share")
    workers = {stage: getattr(config.pools, stage).max or getattr(config.pools, stage).min for stage in STAGES}
    times = {stage: hours[stage] / workers[stage] for stage in ("split", "assemble")}
    times["split"] = max(times["split"], longest)
    if devices < len(CHUNK_STAGES):
        times["the GPUs"] = sum(hours[stage] for stage in CHUNK_STAGES) / devices
        workers |= dict.fromkeys(CHUNK_STAGES, 1)
    else:
        counts = balanced([hours[stage] for stage in CHUNK_STAGES], devices)
        shares = dict(zip(CHUNK_STAGES, counts, strict=True))
        times |= {stage: hours[stage] / count for stage, count in shares.items()}
        workers |= shares
    limit = max(times, key=lambda stage: times[stage])
    return WallTime(devices, times[limit], workers, limit)


def _pool(stage: str, hours: float, size: float, config: RunConfig, calibration: Calibration) -> PoolEstimate:
    pool = getattr(config.pools, stage)
    each = pool.gpus if pool.gpus is not None else float(stage in CHUNK_STAGES)
    cost = None if pool.price is None else hours * pool.price
    return PoolEstimate(hours, hours * each if calibration.gpu else 0.0, cost, round(size))
