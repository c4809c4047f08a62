"""The diffusion schedule of Stable Diffusion and its respacing to few steps (golden README, section 7).

Ho et al., "Denoising Diffusion Probabilistic Models" (2020), give the posterior; Nichol and Dhariwal, "Improved
Denoising Diffusion Probabilistic Models" (2021), the respacing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.schedule_config import base_arguments

SMALLEST_VARIANCE = 1e-20
"""The last step's posterior variance is 0; its logarithm is taken of this instead: -46.0517."""


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionSchedule:
    """The coefficients of every step, each a float32 tensor ``[n]``; index 0 is the least noisy step.

    Attributes:
        timesteps: int64 ``[n]``: what the networks are told at each index, counted in the base schedule.
    """

    timesteps: Tensor
    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    log_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor
    posterior_variance: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __len__(self) -> int:
        return len(self.timesteps)

    @classmethod
    def base(
        cls, linear_start: float = 0.00085, linear_end: float = 0.012, num_timesteps: int = 1000
    ) -> DiffusionSchedule:
        """The schedule of training: betas whose square roots are evenly spaced, worked out in float64."""
        betas = np.linspace(linear_start**0.5, linear_end**0.5, num_timesteps, dtype=np.float64) ** 2
        return cls._from_betas(betas, range(num_timesteps))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DiffusionSchedule:
        """The base schedule that a diffusers ``scheduler_config.json`` describes.

        Raises:
            ValueError: see ``models.schedule_config.base_arguments``.
        """
        return cls.base(*base_arguments(config))

    def respace(self, steps: int, last: int | None = None) -> DiffusionSchedule:
        """The same diffusion in ``steps`` steps, spread evenly from index 0 to ``last``.

        The published system computes the new betas from the *float32* products and goes on in float32, where the
        base schedule was float64; so respacing to all steps is not bit-identical to the base.

        Args:
            steps: at least 1; a single step is ``last`` itself (impossible in the published system).
            last: the noisiest index; the schedule's last if None. Less means a partly noised start.

        Raises:
            ValueError: if there are more steps than indices, or ``last`` is not an index.
        """
        last = len(self) - 1 if last is None else last
        if not 0 <= last < len(self) or not 1 <= steps <= last + 1:
            raise ValueError(f"cannot take {steps} steps from index 0 to {last} of {len(self)}")
        return self._respace_to(spaced_indices(steps, last))

    def _respace_to(self, indices: Sequence[int]) -> DiffusionSchedule:
        kept = self.alphas_cumprod.numpy()[list(indices)]
        before = np.concatenate((np.ones(1, np.float32), kept[:-1]))
        return self._from_betas(np.float32(1.0) - kept / before, self.timesteps[list(indices)].tolist())

    @classmethod
    def _from_betas(cls, betas: np.ndarray, timesteps: Sequence[int]) -> DiffusionSchedule:
        alphas = 1.0 - betas
        abar = np.cumprod(alphas)
        # Float64 even where the betas are float32: this is the mixture that the published system computes in.
        previous = np.concatenate((np.ones(1, np.float64), abar[:-1].astype(np.float64)))
        variance = betas * (1.0 - previous) / (1.0 - abar)

        def cast(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values.astype(np.float32))

        return cls(
            timesteps=torch.tensor(list(timesteps), dtype=torch.int64),
            betas=cast(betas),
            alphas_cumprod=cast(abar),
            alphas_cumprod_prev=cast(previous),
            sqrt_alphas_cumprod=cast(np.sqrt(abar)),
            sqrt_one_minus_alphas_cumprod=cast(np.sqrt(1.0 - abar)),
            log_one_minus_alphas_cumprod=cast(np.log(1.0 - abar)),
            sqrt_recip_alphas_cumprod=cast(np.sqrt(1.0 / abar)),
            sqrt_recipm1_alphas_cumprod=cast(np.sqrt(1.0 / abar - 1.0)),
            posterior_variance=cast(variance),
            posterior_log_variance_clipped=cast(np.log(np.maximum(variance, SMALLEST_VARIANCE))),
            posterior_mean_coef1=cast(betas * np.sqrt(previous) / (1.0 - abar)),
            posterior_mean_coef2=cast((1.0 - previous) * np.sqrt(alphas) / (1.0 - abar)),
        )

    def add_noise(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        """``sqrt(abar) * clean + sqrt(1 - abar) * noise`` at one index for all frames."""
        return float(self.sqrt_alphas_cumprod[index]) * clean + float(self.sqrt_one_minus_alphas_cumprod[index]) * noise

    def predict_clean(self, latents: Tensor, eps: Tensor, index: int) -> Tensor:
        """The clean latents that the predicted noise implies; not clipped."""
        recip, recipm1 = self.sqrt_recip_alphas_cumprod[index], self.sqrt_recipm1_alphas_cumprod[index]
        return float(recip) * latents - float(recipm1) * eps

    def posterior_mean(self, clean: Tensor, latents: Tensor, index: int) -> Tensor:
        """Mean of the less noisy latents, given the clean and the present ones (DDPM)."""
        coef1, coef2 = self.posterior_mean_coef1[index], self.posterior_mean_coef2[index]
        return float(coef1) * clean + float(coef2) * latents

    def deterministic_step(self, clean: Tensor, eps: Tensor, index: int) -> Tensor:
        """The less noisy latents of DDIM with eta 0 (Song et al., 2021): the same noise, less of it."""
        previous = float(self.alphas_cumprod_prev[index])
        return previous**0.5 * clean + (1.0 - previous) ** 0.5 * eps


def spaced_indices(steps: int, last: int) -> list[int]:
    """``steps`` whole numbers from 0 to ``last``: a stride added up in float64, rounded half to even.

    A single step is ``last``.
    """
    if steps == 1:
        return [last]
    stride, position, indices = last / (steps - 1), 0.0, []
    for _ in range(steps):
        indices.append(round(position))
        position += stride
    return indices
