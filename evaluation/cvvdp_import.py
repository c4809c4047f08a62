"""Importing ColorVideoVDP's package without torchvision.

``cvvdp`` asks for torchvision, which has no build for many of the machines that Reelift runs on, for two things only: a
Gaussian blur, and a multi-layer perceptron of variants that are not used here. While ``pycvvdp`` is being imported, and
not a moment longer, these stand in for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

INSTALL = "pip install --no-deps cvvdp==0.5.7"
"""Without its dependencies: those it needs here come with Reelift, and torchvision is not among them."""


class MissingError(Exception):
    """The package is not installed; the message says how to install it."""

    def __init__(self) -> None:
        super().__init__(f"ColorVideoVDP is not installed; it is had by: {INSTALL}")


def is_installed() -> bool:
    """Whether ``pycvvdp`` can be found; it is not imported."""
    return importlib.util.find_spec("pycvvdp") is not None


def load() -> Any:
    """The module ``pycvvdp``.

    Raises:
        MissingError: it is not installed.
    """
    if not is_installed():
        raise MissingError
    if "pycvvdp" in sys.modules:
        return sys.modules["pycvvdp"]
    path = list(sys.path)
    try:
        with _stand_in():
            return importlib.import_module("pycvvdp")
    finally:
        sys.path[:] = path  # it appends its own folder


class GaussianBlur(nn.Module):
    """Blur ``[N, C, H, W]`` by a normalised, sampled Gaussian; the picture is mirrored at its edges.

    Args:
        kernel_size: taps, odd.
        sigma: deviation in pixels.
    """

    def __init__(self, kernel_size: int, sigma: float) -> None:
        super().__init__()
        places = torch.arange(kernel_size, dtype=torch.float32) - (kernel_size - 1) / 2
        taps = torch.exp(-0.5 * (places / sigma) ** 2)
        self.taps = taps / taps.sum()

    def forward(self, image: Tensor) -> Tensor:
        """The blurred image, of the same shape."""
        channels, margin = image.shape[1], len(self.taps) // 2
        taps = self.taps.to(image).expand(channels, 1, 1, -1)
        padded = functional.pad(image, (margin, margin, margin, margin), mode="reflect")
        across = functional.conv2d(padded, taps, groups=channels)
        return functional.conv2d(across, taps.transpose(2, 3), groups=channels)


class _Unavailable:
    """Stands for what only other metrics of the package use."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("this variant of ColorVideoVDP needs torchvision")


@contextmanager
def _stand_in() -> Iterator[None]:
    if "torchvision" in sys.modules:
        yield
        return
    root, transforms, ops = (ModuleType(f"torchvision{name}") for name in ("", ".transforms", ".ops"))
    transforms.GaussianBlur = GaussianBlur  # type: ignore[attr-defined]
    ops.MLP = _Unavailable  # type: ignore[attr-defined]
    modules = {module.__name__: module for module in (root, transforms, ops)}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            sys.modules.pop(name, None)
