"""How a chunk is denoised, and the arithmetic of one step: solver and guidance, apart from the networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from models.choices import Solver
from models.guidance import CorrectedGuidance, PublishedGuidance
from models.motion import Motion
from models.multistep import MultistepSolver
from models.noise_levels import first_index
from models.schedule import DiffusionSchedule
from models.windowed import WindowSettings


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
        solver: "ddpm" and "sde-dpmsolver++" draw noise at every step, the others ("ddim" with eta 0) none.
        last_window: what to do with a chunk that is no multiple of the window: "repeat" its last frame as published,
            where the result of the last repetition is kept; or "shift" the last window back.
        windows: windows, tiles and batches.
        guidance: motion guidance.
    """

    steps: int = 50
    start: float = 1.0
    solver: Solver = "ddpm"
    last_window: Literal["shift", "repeat"] = "repeat"
    windows: WindowSettings = field(default_factory=WindowSettings)
    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1 or self.steps < 1:
            raise ValueError(f"cannot sample in {self.steps} steps from noise level {self.start}")

    @property
    def stochastic(self) -> bool:
        """Whether the solver adds fresh noise at every step but the last."""
        return self.solver in ("ddpm", "sde-dpmsolver++")


class GuidedSteps:
    """The arithmetic of one step, apart from the networks.

    Args:
        schedule: the base schedule.
        settings: how many steps, which solver, which guidance.
        motion: between the frames of the chunk; needed for guidance.
    """

    def __init__(self, schedule: DiffusionSchedule, settings: SamplerSettings, motion: Motion | None) -> None:
        self.base = schedule
        self.first_index = first_index(settings.start, len(schedule))
        self.schedule = schedule.respace(settings.steps, self.first_index)
        self.settings = settings
        self._multistep: MultistepSolver | None = None
        if settings.solver not in ("ddpm", "ddim"):
            self._multistep = MultistepSolver(settings.solver, schedule, settings.steps, self.first_index)
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
                # With one pair the published indices leave only its pulls towards zero: nothing would be compared.
                if stop - start > 2:
                    self._published.append((start, stop, PublishedGuidance(motion.pairs(start, stop - 1))))

    def noised(self, initial: Tensor, noise: Tensor) -> Tensor:
        """The latents to start from; noised by the base schedule, at the noisiest index, not pure noise."""
        return self.base.add_noise(initial, noise, self.first_index)

    def index(self, step: int) -> int:
        """Index of the respaced schedule at executed step number ``step``."""
        return len(self.schedule) - 1 - step

    def timestep(self, step: int) -> int:
        """What the networks are told at that step."""
        if self._multistep is not None:
            return self._multistep.timesteps[step]
        return int(self.schedule.timesteps[self.index(step)])

    def advance(self, latents: Tensor, eps: Tensor, step: int, noise: Tensor | None) -> tuple[Tensor, float | None]:
        """One step without the guidance after it; the loss if there was guidance within it."""
        index, loss = self.index(step), None
        if self._multistep is None:
            clean = self.schedule.predict_clean(latents, eps, index)
        else:
            clean = self._multistep.predict_clean(latents, eps, step)
        if self.settings.guidance.target == "clean" and self.settings.guidance.form == "corrected":
            clean, loss = self._guide(clean, step)
        if self._multistep is not None:
            return self._multistep.advance(clean, latents, step, noise), loss
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
