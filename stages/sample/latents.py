"""``latents.safetensors``: what sample hands to decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.tiling import Tile
from stages.contract import ItemError

LATENTS_NAME = "latents.safetensors"
ESTIMATE_NAME = "estimate.mkv"
WHOLE = "latents"


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The latents of one rectangle of the canvas.

    Attributes:
        tile: in pixels.
        latents: ``[n, C, h, w]``, scaled. Where the chunk was filled up by repeating its last frame, n counts the
            repetitions.
    """

    tile: Tile
    latents: Tensor


def save_pieces(folder: Path, pieces: Sequence[Piece]) -> None:
    """Write the file: one tensor ``latents``, or one ``latents.TOP.LEFT`` (in pixels) for each of several tiles.

    Raises:
        ItemError: latents are not finite. Nothing is written, since what has been committed is never made again, and
            nothing could be decoded from it.
    """
    if len(pieces) == 1:
        named = {WHOLE: pieces[0].latents}
    else:
        named = {f"{WHOLE}.{piece.tile.top}.{piece.tile.left}": piece.latents for piece in pieces}
    for name, latents in named.items():
        if not torch.isfinite(latents).all():
            lost = int((~torch.isfinite(latents)).sum())
            raise ItemError(
                f"{name}: {lost} of {latents.numel()} values of the latents are infinite or not a number; set "
                "runtime.precision to bfloat16 or float32, or if it is float32 convert the model folder again"
            )
    save_file({name: latents.float().cpu().contiguous() for name, latents in named.items()}, folder / LATENTS_NAME)


def load_pieces(folder: Path, factor: int) -> list[Piece]:
    """Read the file; pieces come in the published order of tiles, from left to right and in each column down.

    Args:
        folder: that sample wrote.
        factor: pixels per latent pixel.
    """
    pieces = []
    for name, latents in load_file(folder / LATENTS_NAME).items():
        top, left = (int(number) for number in name.split(".")[1:] or (0, 0))
        height, width = (factor * side for side in latents.shape[-2:])
        pieces.append(Piece(Tile(top, left, top + height, left + width), latents))
    return sorted(pieces, key=lambda piece: (piece.tile.left, piece.tile.top))
