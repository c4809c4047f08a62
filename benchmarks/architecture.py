"""Sizes of the embedded networks: what a short training makes of each, against what a frame costs.

    python -m benchmarks.architecture --data training-data/ [--steps 400] [--json benchmarks/results/architecture.json]

Every row is trained from scratch for equally many steps of the shipped recipe, on the same clips with the same draws,
and judged on clips that none was trained on. So rows rank sizes at equal training; they say nothing about trained
weights. Autoencoders are to give the target back from its latent alone, and learn faster: with the estimate's features,
which short training leaves as they are, all sizes are equal. The clips' initial estimates are computed once, below the
data folder (``training.estimates``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from models.configurations import EMBEDDED
from models.folder import EMBEDDED_FOLDER, ModelFolder
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from training.autoencoder import autoencoder_step, psnr
from training.denoiser import Denoiser, denoiser_step
from training.estimates import EstimateDataset, ensure_estimates
from training.loop import StepFunction, TrainingLoop
from training.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parent.parent / "training" / "recipes"
ALONE = {"latent_alone": 1.0, "rate": 2e-3}
"""What the autoencoders' recipe is changed to."""
HELD_BACK = 16
"""Clips that no row is trained on."""
FRAME = (384, 512)
"""Height and width of the frames that are timed."""

_WIDE = {"block_out_channels": (32, 64, 96)}
AUTOENCODERS: dict[str, dict[str, Any]] = {
    "shipped: 8 channels at 1/8, widths 16 32 48": {},
    "widths 32 64 96": _WIDE,
    "widths 48 96 144": {"block_out_channels": (48, 96, 144)},
    "widths 32 64 96, 4 channels": {**_WIDE, "latent_channels": 4},
    "widths 32 64 96, 16 channels": {**_WIDE, "latent_channels": 16},
    "widths 32 64 96, at 1/4: pixels not gathered": {**_WIDE, "patch_size": 1},
    "widths 32 64 96, at 1/16: 4 x 4 pixels gathered": {**_WIDE, "patch_size": 4},
}
DENOISERS: dict[str, dict[str, Any]] = {
    "shipped: widths 64 64 64": {},
    "widths 32 32 32": {"block_out_channels": (32, 32, 32)},
    "widths 96 96 96": {"block_out_channels": (96, 96, 96)},
    "two blocks a level": {"layers_per_block": 2},
}
"""Row -> what it changes of ``EMBEDDED``."""


class Part(EstimateDataset):
    """Some of the clips of a folder."""

    def __init__(self, folder: Path, part: slice) -> None:
        super().__init__(folder)
        self.places = self.places[part]


@dataclass(frozen=True, slots=True)
class Case:
    """What all rows share: the clips to learn from and to be judged by, the steps of each, and the frames timed."""

    clips: EstimateDataset
    held: EstimateDataset
    steps: int
    frame: tuple[int, int] = FRAME

    def recipe(self, stage: str) -> Recipe:
        """The shipped recipe, shortened."""
        recipe = load_recipe(RECIPES / f"{stage}.yaml")
        shorter = {"steps": self.steps, "warmup": min(recipe.warmup, self.steps // 5), "checkpoint_every": self.steps}
        return recipe.model_copy(update=shorter | (ALONE if stage == "autoencoder" else {}))

    def train(self, network: nn.Module, step: StepFunction, stage: str) -> None:
        """Train the network in place and put its averaged weights in."""
        with tempfile.TemporaryDirectory(prefix="architecture-") as folder:
            loop = TrainingLoop(network.train(), self.recipe(stage), Path(folder))
            loop.run(step)
        loop.apply_average()
        network.eval()


def seconds_of(call: Callable[[], object], frames: int) -> float:
    """CPU seconds per frame of the faster of two calls."""
    taken = []
    for _ in range(2):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return min(taken) / frames


def mean(values: Sequence[Tensor | float]) -> float:
    """The mean of some scalars."""
    return float(sum(float(value) for value in values) / len(values))


def autoencoder(case: Case, change: Mapping[str, Any]) -> dict[str, float]:
    """Train and judge one size: the target from its own latent."""
    torch.manual_seed(0)
    vae = TemporalVAE(**{**EMBEDDED.vae, **change})
    case.train(vae, autoencoder_step(vae, case.clips, case.recipe("autoencoder")), "autoencoder")
    window = case.recipe("autoencoder").frames
    with torch.inference_mode():
        found = []
        for target in (case.held[number].target * 2 - 1 for number in range(len(case.held))):
            encoded = vae.encode(target)
            found.append(psnr(vae.decode(encoded.mean, encoded.features, 0.0, window), target))
        frames = torch.zeros(window, 3, *case.frame)

        def both_ways() -> None:
            encoded = vae.encode(frames)
            vae.decode(encoded.mean, encoded.features, 1.0, window)

        seconds = seconds_of(both_ways, window)
    return {"parameters": _count(vae), "psnr": mean(found), "seconds": seconds}


def denoiser(case: Case, change: Mapping[str, Any]) -> dict[str, float]:
    """Train and judge one size on the shipped autoencoder's latents: the error of the predicted noise."""
    torch.manual_seed(0)
    folder = ModelFolder(EMBEDDED_FOLDER)
    vae, schedule = folder.vae().eval().requires_grad_(False), folder.schedule()
    network = Denoiser(DenoisingUNet(**{**EMBEDDED.unet, **change}), StructureEncoder(**EMBEDDED.structure_encoder))
    recipe = case.recipe("denoiser")
    case.train(network, denoiser_step(network, vae, schedule, case.clips, recipe), "denoiser")
    judge = denoiser_step(network, vae, schedule, case.held, recipe)
    with torch.inference_mode():
        errors = [judge(i, torch.Generator().manual_seed(i))["noise"] for i in range(2 * len(case.held))]
        latents = torch.zeros(recipe.frames, vae.config.latent_channels, case.frame[0] // 8, case.frame[1] // 8)
        timesteps = torch.tensor([300])
        seconds = seconds_of(lambda: network(latents, latents, timesteps, recipe.frames), recipe.frames)
    return {"parameters": _count(network), "noise_error": mean(errors), "seconds": seconds}


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architecture", description=summary)
    parser.add_argument("--data", type=Path, required=True, help="what reelift prepare-data made")
    parser.add_argument("--steps", type=int, default=400, help="of each row")
    parser.add_argument("--rows", nargs="*", help="only rows that begin with one of these")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and judge all rows and print the tables."""
    options = parse(arguments)
    recipe = load_recipe(RECIPES / "autoencoder.yaml")
    try:
        folder = ensure_estimates(options.data, EMBEDDED_FOLDER, recipe)
    except ValueError as error:
        raise SystemExit(f"architecture: {error}") from None
    case = Case(Part(folder, slice(-HELD_BACK)), Part(folder, slice(-HELD_BACK, None)), options.steps)
    rows: list[dict[str, Any]] = []
    record = {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))}
    for stage, measure, variants in (("autoencoder", autoencoder, AUTOENCODERS), ("denoiser", denoiser, DENOISERS)):
        for name, change in variants.items():
            if options.rows and not name.startswith(tuple(options.rows)):
                continue
            rows.append({"stage": stage, "size": name, **measure(case, change)})
            found = {key: value for key, value in rows[-1].items() if key not in ("stage", "size")}
            print(f"{stage:12}{name:50}", *(f"{key} {value:.4g}" for key, value in found.items()), flush=True)
            write_result(options.json, record)  # after every row: all of them take hours


if __name__ == "__main__":
    main()
