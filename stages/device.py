"""Where a stage's arithmetic runs, and what keeps it reproducible."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

import cv2
import torch
from torch import nn

from models.compiling import compile_networks
from models.device import check_device, choose_device
from models.winograd import use_winograd
from stages.setting import ModelSetting

NetworkT = TypeVar("NetworkT", bound=nn.Module)

LEAST_TILE = 32
"""Latent pixels: smaller tiles are mostly margin; what does not fit like this does not fit."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def prepare_device(setting: ModelSetting) -> tuple[torch.device, torch.dtype]:
    """Choose the device and fix what decides the order of additions, so that the same job gives the same bytes.

    Raises:
        ValueError: if the device asked for is not there.
    """
    torch.set_num_threads(setting.threads)
    cv2.setNumThreads(setting.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with _the_way_out():
        device = choose_device(setting.device)
    return device, _DTYPES[setting.precision]


def device_name(device: torch.device) -> str:
    """A kind of device, as facts name it: "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def check_here(setting: ModelSetting) -> None:
    """Make sure that this machine has the device, and what compiling for it takes; use nothing of either.

    Raises:
        ValueError: it has not.
    """
    with _the_way_out():
        check_device(setting.device)
    if setting.compile != "off":
        _check_compiler(setting.device)


def _check_compiler(device: str) -> None:
    """Refuse what is sure to fail in ``setup``, where it is found out by compiling something, a minute later."""
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        lacks = "" if find_spec("triton") else "the package triton is not installed"
    else:
        program = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        lacks = "" if shutil.which(program) else f"there is no C++ compiler {program!r} here; install it or set CXX"
    if lacks:
        raise ValueError(f"runtime.compile: cannot compile networks: {lacks}, or set it to 'off'")


@contextmanager
def _the_way_out() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"runtime.device: {error}; use 'auto' or 'cpu'") from None


def placed(network: NetworkT, device: torch.device, dtype: torch.dtype = torch.float32) -> NetworkT:
    """The network on the device, in evaluation mode; converted only if it must be."""
    network = network.to(device)
    return (network if dtype == torch.float32 else network.to(dtype)).eval()


def quickened(setting: ModelSetting, *networks: nn.Module) -> None:
    """Let the networks' convolutions take fewer multiplications where this machine can, if the setting says so."""
    if setting.winograd:
        use_winograd(networks)


def compiled(setting: ModelSetting, *networks: nn.Module) -> None:
    """Have networks compiled if the setting says so.

    Raises:
        ValueError: if this machine cannot.
    """
    try:
        compile_networks(networks, setting.compile)
    except ValueError as error:
        raise ValueError(f"runtime.compile: {error}; set it to 'off'") from None
