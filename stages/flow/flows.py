"""The file that the flow stage writes, as other stages read it."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from models.motion import Motion


def read_motion(folder: Path) -> Motion:
    """What the flow stage wrote to ``folder`` for a chunk; masks of the flows' type."""
    return Motion(**load_file(folder / "flow.safetensors")).to("cpu")
