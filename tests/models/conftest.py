"""The golden vectors, read once per test session, and the networks that they were made with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.checkpoint import structure_encoder as structure_checkpoint
from models.checkpoint import unet as unet_checkpoint
from models.checkpoint import vae as vae_checkpoint
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Golden:
    """One golden file: weights under official names, inputs, expected outputs, and its JSON."""

    weights: Mapping[str, Tensor]
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    facts: Mapping[str, Any]


@cache
def load_golden(name: str) -> Golden:
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "in": {}, "out": {}}
    for key, value in tensors.items():
        group, _, rest = key.partition(".")
        groups[group][rest] = value.float() if group == "weights" else value
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    return Golden(groups["weights"], groups["in"], groups["out"], facts)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    return load_golden


@pytest.fixture(scope="session")
def official_layout() -> Mapping[str, Any]:
    return json.loads((GOLDEN / "official_checkpoint_layout.json").read_text())


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def encoder(golden) -> StructureEncoder:
    """The public vectors' network; so the two below."""
    vectors = golden("structcond_encoder")
    network = StructureEncoder(**structure_checkpoint.from_official_config(vectors.facts["config"]))
    return structure_checkpoint.load(network, vectors.weights).eval()


@pytest.fixture(scope="module")
def unet(golden) -> DenoisingUNet:
    vectors = golden("unet")
    network = DenoisingUNet(**unet_checkpoint.from_official_config(vectors.facts["config"]))
    return unet_checkpoint.load(network, vectors.weights).eval()


@pytest.fixture(scope="module")
def vae(golden) -> TemporalVAE:
    vectors = golden("vae")
    network = TemporalVAE(**vae_checkpoint.from_official_config(vectors.facts["config"]))
    return vae_checkpoint.load(network, vectors.weights).eval()


@pytest.fixture(scope="session")
def close() -> Callable[..., None]:
    """``close(actual, expected, tolerance)``: same shape, largest absolute difference at most ``tolerance``."""

    def check(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max().item() <= tolerance

    return check


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)
