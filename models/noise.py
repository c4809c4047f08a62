"""Noise that depends on which frame and step it is for, never on order, batch, chunk or worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def frame_noise(seed: int, video: str, frame: int, step: int | str, shape: Sequence[int]) -> Tensor:
    """Standard normal noise, a pure function of its arguments.

    The first four, through SHA-256, are the 128-bit key of a counter-based generator (Philox): a torch.Generator
    would keep 32 bits of them, so that in a large library frames would share their noise by chance.

    Args:
        seed: the job's seed.
        video: the video's identity.
        frame: number of the frame within the video.
        step: which draw: the number of the executed step, or a word such as "start" or "posterior".
        shape: of the result. Noise of other shapes for the same frame and step starts with the same numbers.

    Returns:
        float32, on the CPU.
    """
    digest = hashlib.sha256(json.dumps([seed, video, frame, step]).encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    return torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32))
