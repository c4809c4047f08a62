"""The ways of restoring a case that ``benchmarks.sampler`` compares, and what one run of each takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from benchmarks.operations import Operations
from benchmarks.peak_memory import forget_peak, peak_bytes
from benchmarks.sampler_case import Case, Clock, Networks, Restored
from benchmarks.sampler_settings import Preset
from models.choices import Compilation
from models.compiling import compile_networks
from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.tiling import tile_starts
from models.winograd import use_winograd

PARTS = ("encode", "sample", "decode")


@dataclass(frozen=True, slots=True)
class Way:
    """One way of restoring a case.

    Attributes:
        name: of its row.
        steps: of denoising.
        dtype: of the weights.
        memory_format: of the weights of two-dimensional convolutions, and so of what they give.
        run: does it; the clock is told what each of ``PARTS`` takes.
        compilation: of the networks.
        winograd: whether convolutions may take fewer multiplications (``models.winograd``).
        threads: of torch; None is as many as it has.
    """

    name: str
    steps: int
    dtype: torch.dtype
    memory_format: torch.memory_format
    run: Callable[[Networks, Case, Clock], Restored]
    compilation: Compilation = "off"
    winograd: bool = True
    threads: int | None = None

    @classmethod
    def ours(
        cls,
        name: str,
        preset: Preset,
        memory_format: torch.memory_format,
        compilation: Compilation = "off",
        winograd: bool = True,
    ) -> Way:
        """By ``restore``, with a preset's settings."""
        steps, dtype = preset.sampler.steps, preset.sampler.windows.dtype
        return cls(name, steps, dtype, memory_format, partial(restore, preset), compilation, winograd)

    def networks(self, given: Networks, device: torch.device) -> Networks:
        """The networks as this way runs them."""
        placed = given.placed(device, self.dtype, self.memory_format, copied=self.compilation != "off")
        vae = placed.vae
        use_winograd((placed.unet, placed.structure_encoder, vae), self.winograd)
        compile_networks((placed.unet, placed.structure_encoder, vae.encoder, vae.decoder), self.compilation)
        return placed


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way takes, per frame, by part.

    Attributes:
        seconds: by the wall's clock, in the fastest round.
        processor_seconds: of all cores together, in the round that took least: fairer where a machine is shared.
        operations: convolutions and products of matrices, a multiply-add counted as two.
        peak_gigabytes: see ``benchmarks.peak_memory``.
        threads: of torch, that it ran on.
        start_seconds: of all frames together, what the first round took beyond the fastest: compilation, the choice of
            algorithms, the first touch of memory.
    """

    seconds: dict[str, float]
    processor_seconds: dict[str, float]
    operations: dict[str, float]
    peak_gigabytes: float
    threads: int
    start_seconds: float = 0.0

    @property
    def total(self) -> float:
        """Seconds per frame of all parts together."""
        return sum(self.seconds.values())

    @property
    def processor_total(self) -> float:
        """Processor seconds per frame of all parts together."""
        return sum(self.processor_seconds.values())

    def busy(self, device: torch.device) -> float:
        """Seconds per frame that count: on a CPU those given to the process, shared by its threads.

        So other work on the machine does not count; nor does it in ``benchmarks.matrix_rate``.
        """
        return self.total if device.type == "cuda" else self.processor_total / self.threads

    def speed_up(self, plain: Measured, device: torch.device) -> float:
        """How many times less it takes than another: by the clock on a GPU, on a CPU by its processor seconds."""
        return plain.total / self.total if device.type == "cuda" else plain.processor_total / self.processor_total

    def teraflops(self, device: torch.device) -> float:
        """TFLOP/s over all parts."""
        return sum(self.operations.values()) / self.busy(device) / 1e12

    def share_of(self, rate: float, device: torch.device) -> float:
        """Of a rate in TFLOP/s that all of torch's threads reach; a way on fewer threads is held to as many."""
        return self.teraflops(device) / rate * torch.get_num_threads() / self.threads


@torch.no_grad()
def restore(preset: Preset, networks: Networks, case: Case, clock: Clock) -> Restored:
    """Encode, sample and decode all frames of a case in our order: the encoder once, windows and tiles in batches.

    Where the decoder's windows overlap, the later one wins here: the decode stage's cross-fade costs nothing.
    """
    settings, scaling = preset.sampler, networks.vae.config.scaling_factor
    frames, dtype = len(case.images), settings.windows.dtype
    window = min(preset.decode_window, frames)
    with clock.part("encode"):
        encoded = [networks.vae.encode(image[None].to(dtype)) for image in case.images]
        drawn = [e.sample(eps.to(dtype)) for e, eps in zip(encoded, case.posterior, strict=True)]
        structure = scaling * torch.cat(drawn).float()
    with clock.part("sample"):
        latents = sample_chunk(
            networks.unet,
            networks.structure_encoder,
            DiffusionSchedule.base(),
            structure,
            networks.prompt,
            case.noise,
            settings,
            case.motion,
        )
    with clock.part("decode"):
        restored: list[Tensor] = []
        for start in tile_starts(frames, window, min(preset.decode_overlap, window - 1)):
            seen = encoded[start : start + window]
            features = [torch.cat(level) for level in zip(*(e.features for e in seen), strict=True)]
            chosen = (latents[start : start + window] / scaling).to(dtype)
            restored[start:] = networks.vae.decode(chosen, features, 1.0, window).float()
    return Restored(latents, torch.stack(restored))


def measure(
    ways: Sequence[Way], networks: Networks, case: Case, rounds: int
) -> Iterator[tuple[Way, Measured, Restored]]:
    """Run all ways ``rounds`` times and keep the best.

    On a CPU they run in turn, so that what else the machine does meets all of them. On a GPU, whose memory is counted,
    and once networks are compiled, each way runs all its rounds before the next one's networks come.

    Args:
        ways: to compare.
        networks: float32, on the CPU.
        case: what to restore.
        rounds: at least 1; the first one also warms up.
    """
    device, operations = case.images.device, Operations(networks)
    best: dict[str, Measured] = {}
    first: dict[str, float] = {}
    turns = [(way, number) for number in range(rounds) for way in ways]
    if device.type == "cuda" or any(way.compilation != "off" for way in ways):
        turns = [(way, number) for way in ways for number in range(rounds)]
    for way, its_turns in groupby(turns, key=itemgetter(0)):
        placed = way.networks(networks, device)
        for _, number in its_turns:
            clock = Clock(device)
            forget_peak(device)
            with operations.counted(placed), _threads(way.threads):
                restored = way.run(placed, case, clock)
            peak, threads = peak_bytes(device) / 1e9, way.threads or torch.get_num_threads()
            found = _per_frame(clock, operations.by_part(), len(case.images), peak, threads)
            first.setdefault(way.name, found.total)
            best[way.name] = _better(best.get(way.name, found), found)
            if number == rounds - 1:
                start = (first[way.name] - best[way.name].total) * len(case.images)
                yield way, replace(best[way.name], start_seconds=start), restored
            del restored
        del placed


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _per_frame(clock: Clock, operations: dict[str, int], frames: int, peak: float, threads: int) -> Measured:
    def share(values: dict[str, float] | dict[str, int]) -> dict[str, float]:
        return {part: values[part] / frames for part in PARTS}

    return Measured(share(clock.wall), share(clock.processor), share(operations), peak, threads)


def _better(one: Measured, other: Measured) -> Measured:
    return Measured(
        min(one, other, key=lambda m: m.total).seconds,
        min(one, other, key=lambda m: m.processor_total).processor_seconds,
        other.operations,
        max(one.peak_gigabytes, other.peak_gigabytes),
        other.threads,
    )
