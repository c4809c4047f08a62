"""The weighted mean of several fine-tunings of the initial estimate, or of the autoencoder, and of what they began as.

Weights between a network and its fine-tuning lose less of what it could than they gain (Wortsman et al.: Robust
fine-tuning of zero-shot models, CVPR 2022; Model soups, ICML 2022).

    python -m training.averaging OUTPUT A=0.4 B=0.4 C=0.2
    python -m training.averaging OUTPUT --part vae A=0.75 B=0.25
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.folder import ModelFolder

PARTS = ("initial_estimate", "vae")
"""Subfolders of a model folder whose mean can be taken."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m training.averaging", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="model folder that gets the mean")
    parser.add_argument("parts", nargs="+", metavar="FOLDER=SHARE", help="model folders and their shares, above 0")
    parser.add_argument("--part", choices=PARTS, default="initial_estimate", help="which network of the folders")
    return parser.parse_args(arguments)


def mean_state(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The mean of networks' tensors; one that only some have is the mean of those, shares in proportion.

    Args:
        states: name -> tensor; the same shapes under the same names.
        shares: above 0; they need not sum to 1.

    Raises:
        ValueError: a share is not above 0, or shapes differ.
    """
    if not all(0 < share < math.inf for share in shares):
        raise ValueError("every share must be a number above 0")
    mean: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for state in states for name in state):
        found = [(state[name], share) for state, share in zip(states, shares, strict=True) if name in state]
        if len({tensor.shape for tensor, _ in found}) > 1:
            raise ValueError(f"{name} has not the same shape everywhere")
        total = sum(share for _, share in found)
        mean[name] = torch.stack([tensor.float() * (share / total) for tensor, share in found]).sum(0)
    return mean


def average(output: Path, parts: Mapping[Path, float], part: str = "initial_estimate") -> None:
    """Write the mean of folders' networks, as float16, into a model folder.

    The network's form is that of the folder with the most tensors: a cleaning module that only some have is kept.

    Args:
        output: model folder.
        parts: model folders and their shares.
        part: one of ``PARTS``.

    Raises:
        FileNotFoundError, ValueError: a folder has no such network, or not a whole one, or none of the networks has all
            tensors of the others; see also ``mean_state``.
    """
    networks = [getattr(ModelFolder(folder), part)() for folder in parts]
    largest = max(networks, key=lambda network: len(network.state_dict()))
    state = mean_state([network.state_dict() for network in networks], list(parts.values()))
    if state.keys() != largest.state_dict().keys():
        raise ValueError("none of the networks has all tensors of the others")
    # Anew, since a network that was read remembers from where, and would write that down beside its weights.
    mean = type(largest)(**{name: value for name, value in largest.config.items() if not name.startswith("_")})
    mean.load_state_dict(state)
    mean.half().save_pretrained(output / part)


def parse_shares(parts: Sequence[str]) -> dict[Path, float]:
    """Model folder -> share, of texts such as ``my-model=0.5``.

    Raises:
        ValueError: one of them is no such text, or names a folder again; one line.
    """
    shares: dict[Path, float] = {}
    for part in parts:
        folder, _, number = part.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        if not folder or math.isnan(share):
            raise ValueError(f"{part}: is not FOLDER=SHARE, as my-model=0.5 is")
        if Path(folder) in shares:
            raise ValueError(f"{folder}: is given twice; add its shares up")
        shares[Path(folder)] = share
    return shares


def main() -> int:
    """Run the command; the exit code is 1 if the call is wrong."""
    options = parse()
    try:
        average(options.output, parse_shares(options.parts), options.part)
    except (OSError, ValueError) as error:
        print(f"averaging: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
