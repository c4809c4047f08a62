"""Denoising the latents of a chunk, all windows in lockstep (golden README, section 9).

In lockstep, so that after every step the motion guidance can look across the borders of windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.memory import ShrinkingByCall
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.steps import GuidedSteps, SamplerSettings
from models.windowed import DenoisingNetwork, StructureNetwork, WindowedDenoiser

START = "start"
"""What the noise callable is asked for instead of a step's number, for the noise to start from."""

Noise = Callable[[int, int | str], Tensor]
"""(frame of the chunk, number of the executed step or START) -> ``[C, h, w]``, standard normal."""


@dataclass(frozen=True, slots=True, eq=False)
class StepRecord:
    """What one step did, for tests and progress.

    Attributes:
        step: number of the executed step, from 0.
        eps: ``[n, C, h, w]``, the blended prediction.
        unguided: the latents before guidance (equal to ``latents`` if there is none after the step).
        latents: the latents after it.
        loss: the guidance loss, where there was guidance.
    """

    step: int
    eps: Tensor
    unguided: Tensor
    latents: Tensor
    loss: float | None


@torch.no_grad()
def sample_chunk(
    unet: DenoisingNetwork,
    structure_encoder: StructureNetwork,
    schedule: DiffusionSchedule,
    structure: Tensor,
    prompt: Tensor | None,
    noise: Noise,
    settings: SamplerSettings,
    motion: Motion | None = None,
    initial: Tensor | None = None,
    record: Callable[[StepRecord], None] | None = None,
    batches: ShrinkingByCall | None = None,
) -> Tensor:
    """Denoise the latents of one chunk of any length.

    Args:
        unet: predicts the noise.
        structure_encoder: makes the features that condition it.
        schedule: the base schedule, as trained.
        structure: ``[n, C, h, w]``: scaled latents of the frames to restore; its device is where all happens.
        prompt: ``[1, L, D]``, the empty prompt's embedding, or None for networks without one.
        noise: what to add, by frame of the chunk and step; a chunk that is filled up asks beyond its last frame.
        settings: steps, solver, windows and guidance.
        motion: between the chunk's frames, for guidance: n - 1 pairs, or as many as the filled-up chunk has. Pairs
            missing at the end, of a frame with its repetition, are taken as still.
        initial: ``[n, C, h, w]``, what is noised to start from; ``structure`` if None.
        record: called after every step.
        batches: what fitted in memory at earlier chunks, see ``models.windowed.fitting_batches``.

    Returns:
        Scaled latents ``[n, C, h, w]``, float32.

    Raises:
        ValueError: if shapes do not fit, guidance has no motion, or there are more steps than the schedule has.
    """
    frames = len(structure)
    structure, initial = structure.float(), (structure if initial is None else initial).float()
    if frames < 1 or initial.shape != structure.shape:
        raise ValueError(f"structure {tuple(structure.shape)} and start {tuple(initial.shape)} do not fit")
    if settings.last_window == "repeat":
        window = settings.windows.num_frames
        fill = torch.arange(-(-frames // window) * window, device=structure.device).clamp(max=frames - 1)
        structure, initial = structure[fill], initial[fill]
    motion = _fitting_motion(motion, frames, structure, settings)

    def draw(step: int | str) -> Tensor:
        return torch.stack([noise(frame, step) for frame in range(len(structure))]).to(structure)

    steps = GuidedSteps(schedule, settings, motion)
    predict = WindowedDenoiser(unet, structure_encoder, structure, prompt, settings.windows, batches)
    latents = steps.noised(initial, draw(START))
    for step in range(settings.steps):
        eps = predict(latents, steps.timestep(step), step)
        # Nothing is added at the last step: what the published system draws there is multiplied by 0.
        fresh = draw(step) if settings.stochastic and steps.index(step) > 0 else None
        unguided, loss_within = steps.advance(latents, eps, step, fresh)
        latents, loss_after = steps.guide(unguided, step)
        if record is not None:
            loss = loss_within if loss_after is None else loss_after
            record(StepRecord(step, eps, unguided, latents, loss))
    if len(latents) > frames:
        # The repetitions overwrite the frame they repeat: the last one stays.
        latents = torch.cat((latents[: frames - 1], latents[-1:]))
    return latents


def _fitting_motion(motion: Motion | None, frames: int, structure: Tensor, settings: SamplerSettings) -> Motion | None:
    """On the right device, with a pair for all neighbours of the (filled-up) chunk; None if there is no guidance."""
    if settings.guidance.form == "none" or len(structure) == 1:
        return None
    if motion is None:
        if frames > 1:
            raise ValueError("guidance needs the motion between the chunk's frames")
        empty = structure.new_zeros(0, 2, *structure.shape[-2:])
        motion = Motion(empty, empty, empty[:, :1], empty[:, :1])
    if len(motion) not in (frames - 1, len(structure) - 1) or motion.forward.shape[-2:] != structure.shape[-2:]:
        raise ValueError(f"motion {tuple(motion.forward.shape)} does not fit latents {tuple(structure.shape)}")
    return motion.to(structure.device).padded(len(structure) - 1)
