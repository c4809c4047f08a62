"""``reelift train``: train one stage of the embedded model from its recipe, in slices of any length."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.console import complain, tell
from jobs.interrupt import STOPPED, going_on, patient, tell_how_to_go_on
from pipeline.stopping import Stop

RECIPES = Path(__file__).parent.parent / "training" / "recipes"

EXAMPLES = """
reelift train decoder --data clips/ --model models/mine --seconds 600
reelift train autoencoder --data clips/ --model models/mine --recipe mine.yaml
"""


class TrainingStage(StrEnum):
    """The stages of training, in their order."""

    estimate = "estimate"
    autoencoder = "autoencoder"
    denoiser = "denoiser"
    decoder = "decoder"


@going_on()
def train(
    stage: Annotated[TrainingStage, typer.Argument(help="Which part to train; each builds on those before it.")],
    data: Annotated[Path, typer.Option(help="Folder that 'reelift prepare-data' made.")],
    model: Annotated[Path, typer.Option(help="Model folder: earlier parts are read, the trained part is written.")],
    checkpoints: Annotated[
        Path, typer.Option(help="Where the state of training is kept; of one model and recipe.")
    ] = Path("checkpoints"),
    recipe: Annotated[Path | None, typer.Option(help="Recipe (YAML); the shipped one if not given.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after this long; the same line goes on.")] = math.inf,
    device: Annotated[str, typer.Option(help="torch device, or 'auto': the first GPU, else the CPU.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="torch threads; 0 leaves torch's choice.")] = 0,
) -> int:
    """Train one stage; interrupted runs go on where they were: Ctrl-C finishes the step, and keeps it."""
    # Imported here, so that the other commands do not wait for torch.
    import torch

    from models.device import choose_device
    from training.estimates import ensure_estimates
    from training.recipe import load_recipe
    from training.run import last_losses
    from training.run import train as train_stage
    from training.state import read_progress

    if threads:
        torch.set_num_threads(threads)
    stop = Stop()
    try:
        path = recipe or RECIPES / f"{stage.value}.yaml"
        chosen = load_recipe(path)
        if chosen.stage != stage.value:
            raise ValueError(
                f"{path}: stage: is {chosen.stage}, not {stage.value}; give `reelift train {chosen.stage}` or another "
                "--recipe"
            )
        # The loop checks it again; here it is refused before estimates are computed, which takes long.
        read_progress(checkpoints / stage.value, chosen, model)
        place = choose_device(device)
        # The initial estimate learns from the prepared clips, all that follows it from the estimates that it makes.
        clips = data if chosen.stage == "estimate" else ensure_estimates(data, model, chosen, place)
        with patient(stop):
            finished = train_stage(chosen, clips, model, checkpoints, seconds, place, lambda: bool(stop))
    except (ValueError, OSError) as error:
        return complain(error)
    means = last_losses(checkpoints, stage.value)
    tell("  ".join(f"{name} {value:.4g}" for name, value in means.items()), losses=means)
    tell(f"{stage.value}: {'finished' if finished else 'stopped; the same line goes on'}; weights are in {model}")
    if stop and not finished:
        tell_how_to_go_on()
        return STOPPED
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(train, "train", EXAMPLES)
