"""Denoising the latents of a chunk, all windows in lockstep (golden README, section 9).

In lockstep, so that after every step the motion guidance can look across the borders of windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from models.guidance import CorrectedGuidance, Motion, PublishedGuidance
from models.schedule import DiffusionSchedule
from models.windowed import DenoisingNetwork, StructureNetwork, WindowedDenoiser, WindowSettings

START = "start"
"""What the noise callable is asked for instead of a step's number, for the noise to start from."""

Noise = Callable[[int, int | str], Tensor]
"""(frame of the chunk, number of the executed step or START) -> ``[C, h, w]``, standard normal."""


@dataclass(frozen=True, slots=True)
class GuidanceSettings:
    """The motion-guided update of the latents.

    Attributes:
        form: "published": ``z - scale * log variance * gradient`` for each window by itself, after every step.
            "corrected": ``z - scale * weight * gradient`` over the whole chunk, the gradient per visible element.
        scale: -10 as published; for "corrected" a positive step length in units of the latents.
        weighting: of "corrected": "variance", the posterior's, which is 0 at the last step, or "constant", 1.
        softness: of "corrected": differences below this count quadratically; in units of the latents.
        target: of "corrected": compare the noisy "latents" after the step, or the predicted "clean" ones within it.
        begin: first step that is guided, as a share of all steps.
        end: share of the steps after which guidance ends.
    """

    form: Literal["none", "published", "corrected"] = "none"
    scale: float = -10.0
    weighting: Literal["variance", "constant"] = "variance"
    softness: float = 0.0
    target: Literal["latents", "clean"] = "latents"
    begin: float = 0.0
    end: float = 1.0

    def covers(self, step: int, steps: int) -> bool:
        """Whether executed step number ``step`` of ``steps`` is guided."""
        return self.form != "none" and self.begin <= step / steps < self.end


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How a chunk is denoised; the defaults are the published ones, but for the tiles.

    Attributes:
        steps: number of denoising steps.
        start: noise level to start from, in (0, 1]: 1 is the noisiest step of the schedule. The latents of the initial
            estimate are noised to this level; the steps are spread evenly below it.
        solver: "ddpm" draws noise at every step, "ddim" (eta 0) none.
        last_window: what to do with a chunk that is no multiple of the window: "repeat" its last frame as published,
            where the result of the last repetition is kept; or "shift" the last window back.
        windows: windows, tiles and batches.
        guidance: motion guidance.
    """

    steps: int = 50
    start: float = 1.0
    solver: Literal["ddpm", "ddim"] = "ddpm"
    last_window: Literal["shift", "repeat"] = "repeat"
    windows: WindowSettings = field(default_factory=WindowSettings)
    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1 or self.steps < 1:
            raise ValueError(f"cannot sample in {self.steps} steps from noise level {self.start}")


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


class GuidedSteps:
    """The arithmetic of one step, apart from the networks.

    Args:
        schedule: the base schedule.
        settings: how many steps, which solver, which guidance.
        motion: between the frames of the chunk; needed for guidance.
    """

    def __init__(self, schedule: DiffusionSchedule, settings: SamplerSettings, motion: Motion | None) -> None:
        self.base = schedule
        self.first_index = round(settings.start * (len(schedule) - 1))
        self.schedule = schedule.respace(settings.steps, self.first_index)
        self.settings = settings
        self._published: list[tuple[int, int, PublishedGuidance]] = []
        self._corrected: CorrectedGuidance | None = None
        if motion is not None and len(motion) > 0:
            self._prepare_guidance(motion)

    def _prepare_guidance(self, motion: Motion) -> None:
        guidance, window = self.settings.guidance, self.settings.windows.num_frames
        if guidance.form == "corrected":
            self._corrected = CorrectedGuidance(motion, guidance.softness)
        elif guidance.form == "published":
            frames = len(motion) + 1
            for start in range(0, frames, window):
                stop = min(start + window, frames)
                if stop - start > 1:
                    self._published.append((start, stop, PublishedGuidance(motion.pairs(start, stop - 1))))

    def noised(self, initial: Tensor, noise: Tensor) -> Tensor:
        """The latents to start from; noised by the base schedule, at the noisiest index, not pure noise."""
        return self.base.add_noise(initial, noise, self.first_index)

    def index(self, step: int) -> int:
        """Index of the respaced schedule at executed step number ``step``."""
        return len(self.schedule) - 1 - step

    def timestep(self, step: int) -> int:
        """What the networks are told at that step."""
        return int(self.schedule.timesteps[self.index(step)])

    def advance(self, latents: Tensor, eps: Tensor, step: int, noise: Tensor | None) -> tuple[Tensor, float | None]:
        """One step without the guidance after it; the loss if there was guidance within it."""
        index, loss = self.index(step), None
        clean = self.schedule.predict_clean(latents, eps, index)
        if self.settings.guidance.target == "clean" and self.settings.guidance.form == "corrected":
            clean, loss = self._guide(clean, step)
        if self.settings.solver == "ddim":
            return self.schedule.deterministic_step(clean, eps, index), loss
        mean = self.schedule.posterior_mean(clean, latents, index)
        if index == 0 or noise is None:
            return mean, loss
        deviation = (0.5 * self.schedule.posterior_log_variance_clipped[index]).exp()
        return mean + float(deviation) * noise, loss

    def guide(self, latents: Tensor, step: int) -> tuple[Tensor, float | None]:
        """The guidance after the step; the loss if there was any."""
        if self.settings.guidance.target == "clean" and self.settings.guidance.form == "corrected":
            return latents, None
        return self._guide(latents, step)

    def _guide(self, latents: Tensor, step: int) -> tuple[Tensor, float | None]:
        settings, index = self.settings.guidance, self.index(step)
        if not settings.covers(step, self.settings.steps):
            return latents, None
        if self._corrected is not None:
            loss, gradient = self._corrected.loss_and_gradient(latents)
            weight = float(self.schedule.posterior_variance[index]) if settings.weighting == "variance" else 1.0
            return latents - settings.scale * weight * gradient, float(loss)
        if not self._published:
            return latents, None
        total, guided = 0.0, latents.clone()
        log_variance = float(self.schedule.posterior_log_variance_clipped[index])
        for start, stop, guidance in self._published:
            loss, gradient = guidance.loss_and_gradient(latents[start:stop])
            guided[start:stop] -= settings.scale * log_variance * gradient
            total += float(loss)
        return guided, total


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
    predict = WindowedDenoiser(unet, structure_encoder, structure, prompt, settings.windows)
    latents = steps.noised(initial, draw(START))
    for step in range(settings.steps):
        eps = predict(latents, steps.timestep(step), step)
        # Nothing is added at the last step: what the published system draws there is multiplied by 0.
        fresh = draw(step) if settings.solver == "ddpm" and steps.index(step) > 0 else None
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
