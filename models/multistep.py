"""Solvers that learn from the steps before: fewer steps for the same picture. diffusers' own, on our schedule.

DPM-Solver++, deterministic and with noise (Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
Probabilistic Models", 2022), and UniPC (Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling
of Diffusion Models", 2023), all of second order.
"""

from __future__ import annotations

from typing import Any, cast, get_args

from torch import Tensor

from models.choices import MultistepName
from models.noise_levels import most_steps
from models.schedule import DiffusionSchedule

NAMES: tuple[str, ...] = get_args(MultistepName)


class MultistepSolver:
    """Steps from a noise level of the base schedule down to clean latents; it remembers its last predictions.

    Args:
        name: of the solver.
        base: the schedule of training.
        steps: how many.
        first_index: of the base schedule, where it starts. The noise levels below it are spaced as Karras et al. 2022
            do (equation 5): densest where little noise is left. The last step goes from the least level to none at all.

    Raises:
        ValueError: there are more steps than timesteps, or no solver of that name.
    """

    def __init__(self, name: str, base: DiffusionSchedule, steps: int, first_index: int) -> None:
        if name not in NAMES:
            raise ValueError(f"no solver is called {name!r}; there are {', '.join(NAMES)}")
        if steps > most_steps(cast(MultistepName, name), first_index):
            raise ValueError(f"cannot take {steps} steps of {name} below timestep {first_index}")
        # A schedule that ends where sampling starts: so diffusers spreads the steps over that part alone. Evenly spaced
        # timesteps would spoil the order: the last step, from far too much noise to none, can only be of the first.
        shared: dict[str, Any] = {
            "num_train_timesteps": first_index + 1,
            "trained_betas": base.betas[: first_index + 1].tolist(),
            "prediction_type": "sample",
            "use_karras_sigmas": True,
            "final_sigmas_type": "zero",
        }
        # Here, because these modules load SciPy: a second of start-up for whoever takes another solver.
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
        from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

        if name == "unipc":
            self._scheduler: Any = UniPCMultistepScheduler(**shared)
        else:
            self._scheduler = DPMSolverMultistepScheduler(algorithm_type=name, **shared)
        self._scheduler.set_timesteps(steps)
        self.timesteps: list[int] = [int(timestep) for timestep in self._scheduler.timesteps]

    def predict_clean(self, latents: Tensor, eps: Tensor, step: int) -> Tensor:
        """The clean latents that the predicted noise implies, at the exact level, of which the timestep is rounded."""
        ratio = float(self._scheduler.sigmas[step])
        return (1 + ratio**2) ** 0.5 * latents - ratio * eps

    def advance(self, clean: Tensor, latents: Tensor, step: int, noise: Tensor | None) -> Tensor:
        """The latents after one step. Steps must come in order, each once.

        Args:
            clean: ``[n, C, h, w]``, the predicted clean latents, guided or not.
            latents: ``[n, C, h, w]``, the present ones.
            step: number of the executed step, from 0.
            noise: of the same shape, for "sde-dpmsolver++"; None adds none.
        """
        given: dict[str, Any] = {}
        if self._scheduler.config.get("algorithm_type") == "sde-dpmsolver++":
            given["variance_noise"] = latents.new_zeros(latents.shape) if noise is None else noise
        timestep = self._scheduler.timesteps[step]
        following: Tensor = self._scheduler.step(clean, timestep, latents, return_dict=False, **given)[0]
        return following
