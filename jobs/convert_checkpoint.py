"""``reelift convert-checkpoint``: a model folder from the checkpoints that MGLD-VSR was published as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.console import complain, tell, warn
from models.checkpoint.precision import Precision

if TYPE_CHECKING:
    from models.checkpoint.convert import Conversion

EXAMPLES = """
reelift convert-checkpoint --diffusion mgldvsr_unet.ckpt --vae video_vae_cfw.ckpt --output models/full
"""

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
    from pipeline.storage_errors import told

    try:
        conversion = convert(diffusion, vae, flow, output, precision, skip=skip or (), tell=tell)
    except CheckpointError as error:
        return complain(error)
    except OSError as error:
        return complain(told(error))
    show(conversion)
    print(output)
    return 0


def show(conversion: Conversion) -> None:
    """Print what was written, what was left out and why, and what looks wrong."""
    for part in conversion.parts:
        size = f"{part.parameters / 1e6:.1f} M parameters, {part.size / 1e6:.0f} MB"
        tell(f"{part.name}: {part.tensors} tensors, {size}")
    for omitted in conversion.omitted:
        tell(f"left out of {omitted.file}: {len(omitted.keys)} tensors ({omitted.reason})")
    for warning in conversion.warnings:
        warn(str(warning))


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(convert_checkpoint, "convert_checkpoint", EXAMPLES)
