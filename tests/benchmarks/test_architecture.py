"""The search over sizes, a step or two of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.architecture import AUTOENCODERS, DENOISERS, Case, Part, autoencoder, denoiser, parse
from benchmarks.record import given
from models.configurations import EMBEDDED
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE


@pytest.fixture
def case(tmp_path: Path) -> Case:
    target = torch.randint(256, (3, 5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    parts = {"low": target[..., ::4, ::4].contiguous(), "estimate": target // 2, "target": target}
    save_file(parts, tmp_path / "estimates-00000.safetensors")
    return Case(Part(tmp_path, slice(-1)), Part(tmp_path, slice(-1, None)), steps=1, frame=(32, 48))


def test_no_clip_is_both_learned_from_and_judged_by(case: Case) -> None:
    assert (len(case.clips), len(case.held)) == (2, 1)
    assert not set(case.clips.places) & set(case.held.places)


def test_every_size_can_be_built() -> None:
    with torch.device("meta"):
        for change in AUTOENCODERS.values():
            TemporalVAE(**{**EMBEDDED.vae, **change})
        for change in DENOISERS.values():
            DenoisingUNet(**{**EMBEDDED.unet, **change})
            StructureEncoder(**EMBEDDED.structure_encoder)


def test_a_row_is_trained_and_judged(case: Case) -> None:
    small = autoencoder(case, AUTOENCODERS["shipped: 8 channels at 1/8, widths 16 32 48"])
    assert all(math.isfinite(value) for value in small.values()) and small["seconds"] > 0
    assert small["parameters"] < 2_000_000
    found = denoiser(case, DENOISERS["widths 32 32 32"])
    assert 0.3 < found["noise_error"] < 3 and found["seconds"] > 0


def test_the_options_are_written_down_without_the_places_of_this_machine() -> None:
    options = given(parse(["--data", "clips/", "--steps", "3", "--json", "found.json"]))
    assert json.loads(json.dumps(options)) == {"steps": 3, "rows": None}
