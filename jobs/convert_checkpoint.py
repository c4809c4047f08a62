"""``reelift convert-checkpoint``: a model folder from the checkpoints that MGLD-VSR was published as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from models.checkpoint.precision import Precision

if TYPE_CHECKING:
    from models.checkpoint.convert import Conversion


DiffusionOption = Annotated[Path, typer.Option(help="MGLD-VSR's diffusion checkpoint.")]
VaeOption = Annotated[Path, typer.Option(help="MGLD-VSR's video VAE.")]
FlowOption = Annotated[
    Path | None, typer.Option(help="RAFT's own file; default: its copy in the diffusion checkpoint.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Model folder to make; must not exist.")]
PrecisionOption = Annotated[Precision, typer.Option(help="float32 keeps every bit; float16 is half the size.")]
SkipOption = Annotated[list[str] | None, typer.Option(help="Leave out tensors whose name begins like this.")]


def convert_checkpoint(
    diffusion: DiffusionOption,
    vae: VaeOption,
    output: OutputOption,
    flow: FlowOption = None,
    precision: PrecisionOption = Precision.float16,
    skip: SkipOption = None,
) -> int:
    """Turn the published checkpoints into a model folder. Nothing in them is run, and no tensor is lost unnoticed.

    Exit code: 0 done, 1 a file is not what it should be; then no folder is left behind.
    """
    # Imported here, so that the other commands do not wait for torch.
    from models.checkpoint.convert import convert
    from models.checkpoint.renaming import CheckpointError

    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    try:
        conversion = convert(diffusion, vae, flow, output, precision, skip=skip or (), tell=console.print)
    except (CheckpointError, OSError) as error:
        console.print(f"error: {error}", style="red")
        return 1
    show(conversion, console)
    print(output)
    return 0


def show(conversion: Conversion, console: Console) -> None:
    """Print what was written, what was left out and why, and what looks wrong."""
    for part in conversion.parts:
        size = f"{part.parameters / 1e6:.1f} M parameters, {part.size / 1e6:.0f} MB"
        console.print(f"{part.name}: {part.tensors} tensors, {size}")
    for omitted in conversion.omitted:
        console.print(f"left out of {omitted.file}: {len(omitted.keys)} tensors ({omitted.reason})")
    for warning in conversion.warnings:
        console.print(f"warning: {warning}", style="yellow")


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(convert_checkpoint, "convert-checkpoint")
