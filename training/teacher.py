"""The decoder's teacher of texture: what Real-ESRGAN makes of the initial estimates, shrunk to the input's size.

It is given the estimate and not the input, so that what it draws follows from what the decoder sees: nothing is left
that the decoder would have to guess, and learning it draws as sharply as the teacher does, without an adversary of its
own (knowledge distillation, Hinton et al. 2015, arXiv 1503.02531). Noise and flicker that the estimate has removed do
not reach it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from training import real_esrgan
from training.tensors import open_tensors

SCALE = 4


def teacher_file(estimates: Path) -> Path:
    """Where the teacher's pictures of a file of estimates lie."""
    return estimates.with_name(estimates.name.replace("estimates-", "teacher-"))


def ensure_teacher(shards: list[Path], enlarge: real_esrgan.Enlarge | None = None) -> None:
    """Make the teacher's pictures of all clips in these files of estimates, unless they are there.

    Resumable: files that hold as many clips as the estimates do are left as they are.

    Args:
        shards: as ``training.estimates`` stored them.
        enlarge: the teacher; the default is Real-ESRGAN x4plus, loaded when it is needed.

    Raises:
        ValueError: pictures have to be made and the teacher is not here, or a file of estimates is damaged.
    """
    for shard in shards:
        with open_tensors(shard) as stored:
            estimates = stored.get_tensor("estimate")
        path = teacher_file(shard)
        if _shape(path) == list(estimates.shape):
            continue
        if enlarge is None:
            if lack := real_esrgan.missing():
                raise ValueError(
                    f"{path}: is not there, and the teacher that makes it {lack}; install it, or copy the file here"
                )
            enlarge = real_esrgan.load(real_esrgan.X4PLUS)
        pictures = torch.stack([_taught(frame, enlarge) for frame in estimates.flatten(0, 1)])
        draft = path.with_suffix(".draft")
        save_file({"teacher": pictures.view(estimates.shape)}, draft)
        draft.replace(path)


def _shape(path: Path) -> list[int] | None:
    """Of the pictures in a file; None if it is missing or damaged: such a one can be made again."""
    try:
        with open_tensors(path) as stored:
            return list(stored.get_slice("teacher").get_shape())
    except (ValueError, FileNotFoundError):
        return None


def _taught(frame: Tensor, enlarge: real_esrgan.Enlarge) -> Tensor:
    """``[3, 4h, 4w]`` in 8 bits, through the size of the input, to the same."""
    small = functional.interpolate(
        frame[None].float() / 255, scale_factor=1 / SCALE, mode="bicubic", antialias=True, align_corners=False
    )
    large = enlarge(np.ascontiguousarray(small[0].clamp(0, 1).permute(1, 2, 0).numpy()))
    return (torch.from_numpy(large).permute(2, 0, 1) * 255).round().to(torch.uint8).contiguous()
