"""The ways of restoring a case that ``benchmarks.sampler`` compares, and what one run of each takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.operations import Operations
from benchmarks.peak_memory import forget_peak, peak_bytes
from benchmarks.sampler_case import Case, Clock, Networks, Restored
from benchmarks.sampler_settings import Preset
from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.tiling import tile_starts

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
    """

    name: str
    steps: int
    dtype: torch.dtype
    memory_format: torch.memory_format
    run: Callable[[Networks, Case, Clock], Restored]

    @classmethod
    def ours(cls, name: str, preset: Preset, memory_format: torch.memory_format) -> Way:
        """By ``restore``, with a preset's settings."""
        return cls(name, preset.sampler.steps, preset.sampler.windows.dtype, memory_format, partial(restore, preset))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way takes, per frame, by part.

    Attributes:
        seconds: by the wall's clock, in the fastest round.
        processor_seconds: of all cores together, in the round that took least: fairer where a machine is shared.
        operations: convolutions and products of matrices, a multiply-add counted as two.
        peak_gigabytes: see ``benchmarks.peak_memory``.
    """

    seconds: dict[str, float]
    processor_seconds: dict[str, float]
    operations: dict[str, float]
    peak_gigabytes: float

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
        return self.total if device.type == "cuda" else self.processor_total / torch.get_num_threads()

    def teraflops(self, device: torch.device) -> float:
        """TFLOP/s over all parts."""
        return sum(self.operations.values()) / self.busy(device) / 1e12


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
    """Run all ways in turn, ``rounds`` times, so that what else a machine does meets all of them; keep the best.

    Args:
        ways: to compare.
        networks: float32, on the CPU.
        case: what to restore.
        rounds: at least 1; the first one also warms up.
    """
    device, operations = case.images.device, Operations(networks)
    best: dict[str, Measured] = {}
    for number in range(rounds):
        for way in ways:
            placed = networks.placed(device, way.dtype, way.memory_format)
            clock = Clock(device)
            forget_peak(device)
            with operations.counted(placed):
                restored = way.run(placed, case, clock)
            found = _per_frame(clock, operations.by_part(), len(case.images), peak_bytes(device) / 1e9)
            best[way.name] = _better(best.get(way.name, found), found)
            if number == rounds - 1:
                yield way, best[way.name], restored
            del placed, restored


def _per_frame(clock: Clock, operations: dict[str, int], frames: int, peak: float) -> Measured:
    def share(values: dict[str, float] | dict[str, int]) -> dict[str, float]:
        return {part: values[part] / frames for part in PARTS}

    return Measured(share(clock.wall), share(clock.processor), share(operations), peak)


def _better(one: Measured, other: Measured) -> Measured:
    return Measured(
        min(one, other, key=lambda m: m.total).seconds,
        min(one, other, key=lambda m: m.processor_total).processor_seconds,
        other.operations,
        max(one.peak_gigabytes, other.peak_gigabytes),
    )
