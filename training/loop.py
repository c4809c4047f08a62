"""The loop that every training stage runs in: optimiser, averaged weights, checkpoints that resume to the same losses.

A step is a pure function of (networks, step number): clips, crops and noise are drawn from generators seeded with the
recipe's seed and the step, so that a run stopped anywhere and resumed repeats the losses of an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from models.winograd import use_winograd
from training.log import Pictures, TrainingLog
from training.recipe import Recipe
from training.state import REMEDY, check_shapes, load_state, read_progress, save_state, write_progress

StepFunction = Callable[[int, torch.Generator], Mapping[str, Tensor]]
"""Returns the terms of the loss by name, unweighted; the recipe's ``terms`` weigh them, those it leaves out by 0."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


def quicken(network: nn.Module, recipe: Recipe) -> None:
    """Let convolutions take Winograd's way in float32; it has no other precision, and would stand in bfloat16's."""
    use_winograd([network], on=recipe.precision == "float32")


class TrainingLoop:
    """Optimises the trainable parameters of a network in slices of any length.

    Args:
        network: its parameters with ``requires_grad`` are optimised and averaged.
        recipe: numbers of the optimiser and the weights of the loss terms.
        folder: checkpoints and ``log.jsonl`` are kept here.
        accelerator: the device, to which the network is moved, and the precision; by default the CPU in float32.
        model: the model folder that is trained, if there is one; checkpoints belong to it.

    Raises:
        ValueError: ``folder`` holds checkpoints of another recipe, network or model folder, or broken ones.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        folder: Path,
        accelerator: Accelerator | None = None,
        model: Path | None = None,
    ) -> None:
        self.accelerator = accelerator or Accelerator(cpu=True)
        self.network, self.recipe, self.folder = network.to(self.accelerator.device), recipe, folder
        self.model = model
        quicken(self.network, recipe)
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=recipe.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.log = TrainingLog(folder, self.step)

    @property
    def finished(self) -> bool:
        """Whether the recipe's last step has been taken."""
        return self.step >= self.recipe.steps

    def run(
        self,
        step_function: StepFunction,
        seconds: float = math.inf,
        pictures: Pictures | None = None,
        stop: Callable[[], bool] = never,
    ) -> None:
        """Train until the recipe's last step, until ``seconds`` have passed, or until ``stop()`` after a step.

        Ends on a checkpoint, and pictures are made at every one on the way; they have no influence on what is learned.

        Raises:
            ValueError: a step's loss or gradient is not finite; the checkpoint before it stays as it is.
        """
        started = time.monotonic()
        while not self.finished and not stop() and time.monotonic() - started < seconds:
            self._one_step(step_function)
            if self.step % self.recipe.checkpoint_every == 0:
                self.checkpoint()
                if pictures:
                    self.log.pictures(self.step, pictures)
        self.checkpoint()
        self.log.close()

    def _one_step(self, step_function: StepFunction) -> None:
        began = time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        generator = torch.Generator().manual_seed((self.recipe.seed << 32) + self.step)
        with self.accelerator.autocast():
            terms = step_function(self.step, generator)
        loss = torch.stack([self.recipe.terms.get(name, 0.0) * value for name, value in terms.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.recipe.clip_norm)
        self._check_finite({**terms, "the gradient": norm})
        self.optimiser.step()
        self._update_average()
        self.step += 1
        row = {"loss": loss.item(), "gradient_norm": norm.item()}
        row |= {name: value.item() for name, value in terms.items()} | {"seconds": time.monotonic() - began}
        self.log.losses(self.step, row)

    def _check_finite(self, values: Mapping[str, Tensor]) -> None:
        """One step with such a gradient would spoil every weight, and the next checkpoint replace the last good one."""
        if wrong := [name for name, value in values.items() if not value.isfinite()]:
            remedy = f"lower rate and {REMEDY}" if self.recipe.precision == "float32" else "set precision: float32"
            raise ValueError(
                f"{self.folder}: step {self.step + 1}: {wrong[0]} is not finite; the last checkpoint is kept; {remedy}"
            )

    def _rate(self) -> float:
        recipe, step = self.recipe, self.step
        if step < recipe.warmup:
            return recipe.rate * (step + 1) / recipe.warmup
        progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
        return recipe.final_rate + 0.5 * (recipe.rate - recipe.final_rate) * (1 + math.cos(math.pi * progress))

    @torch.no_grad()
    def _update_average(self) -> None:
        # The decay is smaller at first, so that the start values are forgotten.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, parameter in self.parameters.items():
            self.average[name].lerp_(parameter, 1 - decay)

    def checkpoint(self) -> None:
        """Write weights, averages, moments and the step; ``state.json`` is replaced last and decides what is read."""
        tensors = {f"weights.{name}": p.detach() for name, p in self.parameters.items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = torch.as_tensor(value)
        files = save_state(tensors, self.folder, self.step)
        write_progress(self.folder, self.step, files, self.recipe, self.model)
        for old in self.folder.glob("state-*"):
            if old.name not in files:
                old.unlink()

    def _resume(self) -> None:
        if (progress := read_progress(self.folder, self.recipe, self.model)) is None:
            return
        step, files = progress
        tensors = load_state(self.folder, files)
        weights = {name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")}
        check_shapes(self.folder, weights, self.parameters)
        self.step = step
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])
                self.average[name].copy_(tensors[f"average.{name}"])
                if f"exp_avg.{name}" in tensors:
                    moments = {key: tensors[f"{key}.{name}"].to(parameter) for key in ("exp_avg", "exp_avg_sq")}
                    self.optimiser.state[parameter] = {"step": tensors[f"step.{name}"], **moments}

    @torch.no_grad()
    def apply_average(self) -> None:
        """Put the averaged weights into the network (at the end, before it is saved)."""
        for name, parameter in self.parameters.items():
            parameter.copy_(self.average[name])
