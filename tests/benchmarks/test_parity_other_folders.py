"""The parity benchmark on folders of other widths, levels, heads, steps, padding and seeds; and on spoilt ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from official_tensors import STRUCTURE_ENCODER, UNET, VAE, official_tensors
from parity_folder import GOLDEN, Folder, Form
from parity_folder_arithmetic import color_fix, decoder_losses, motion_guidance, schedule, tile_weights
from parity_folder_networks import autoencoder, denoiser, flow, structure_encoder, temporal_modules
from parity_folder_sampling import end_to_end, sampling
from parity_forms import DEEP, SHALLOW
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.parity import CHECKS, LAYOUT, main
from benchmarks.parity_networks import load_structure_encoder, load_unet, load_vae
from benchmarks.parity_vectors import Vectors
from models.checkpoint import structure_encoder as structure_checkpoint
from models.checkpoint import unet as unet_checkpoint
from models.checkpoint import vae as vae_checkpoint

FILES: tuple[Callable[[Folder], None], ...] = (
    schedule,
    tile_weights,
    motion_guidance,
    color_fix,
    decoder_losses,
    temporal_modules,
    structure_encoder,
    denoiser,
    autoencoder,
    flow,
    sampling,
    end_to_end,
)


@torch.no_grad()
def make(path: Path, form: Form) -> Path:
    path.mkdir()
    folder = Folder(path, form)
    for write in FILES:
        write(folder)
    shutil.copy(GOLDEN / f"{LAYOUT}.json", path)
    shutil.copy(GOLDEN / "README.md", path)
    return path


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("deep") / "vectors", DEEP)


@pytest.fixture
def spoilt(deep: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(deep, tmp_path / "vectors"))


def complaints(capsys: pytest.CaptureFixture[str], folder: Path, *only: str) -> list[str]:
    """The lines of failures; the exit status must say the same."""
    status = main([str(folder), *(["--only", *only] if only else [])])
    lines = [line for line in capsys.readouterr().out.splitlines() if "FAIL" in line]
    assert (status != 0) == bool(lines)
    return lines


def change(folder: Path, name: str, **tensors: Tensor | None) -> None:
    """Replace, add or (None) remove tensors of a file, its json left as it is."""
    path = folder / f"{name}.safetensors"
    found = load_file(path) | {key: value for key, value in tensors.items() if value is not None}
    save_file({key: value for key, value in found.items() if tensors.get(key, value) is not None}, path)


@pytest.mark.slow
def test_all_files_of_other_sizes_pass(deep, tmp_path, capsys):
    names = {path.stem for path in deep.glob("*.json")}
    assert names == {*CHECKS, LAYOUT}
    for folder in (deep, make(tmp_path / "shallow", replace(SHALLOW, seed=5))):
        assert complaints(capsys, folder) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("unet", "middle_block.3.temporal_alpha"),
        ("unet", "output_blocks.2.0.spade.mlp_beta.bias"),
        ("structcond_encoder", "fea_tran.1.out_layers.3.weight"),
        ("vae", "decoder.fusion_layer_2.encode_enc_2.1.conv5.weight"),
        ("vae", "quant_conv.bias"),
        ("temporal_attention", "norm.bias"),
        ("spatial_temporal_conv", "temporal_conv.weight"),
    ],
)
def test_one_changed_weight_fails_where_it_is_used(spoilt, capsys, name, key):
    tensors = load_file(spoilt / f"{name}.safetensors")
    weight = tensors[f"weights.{key}"].float()
    weight.view(-1)[0] += 0.5
    change(spoilt, name, **{f"weights.{key}": weight.to(tensors[f"weights.{key}"].dtype)})
    found = complaints(capsys, spoilt, name)
    assert found and all(line.startswith(name) for line in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "structcond_encoder", "vae", "temporal_attention", "sampling", "schedule"])
def test_an_unused_weight_is_named(spoilt, capsys, name):
    change(spoilt, name, **{"weights.middle_block.9.bias": torch.zeros(3)})
    found = complaints(capsys, spoilt, name)
    assert any("middle_block.9.bias" in line for line in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "structcond_encoder", "vae"])
def test_a_missing_weight_is_named(spoilt, capsys, name):
    key = next(key for key in sorted(load_file(spoilt / f"{name}.safetensors")) if key.startswith("weights."))
    change(spoilt, name, **{key: None})
    assert any(key.removeprefix("weights.") in line for line in complaints(capsys, spoilt, name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key", "dimension"),
    [
        ("unet", "weights.input_blocks.0.0.weight", 0),
        ("vae", "weights.decoder.temporal_mixing.temporal_conv.weight", 1),
        ("vae", "in.posterior_eps", 3),
        ("sampling", "in.step_noise", 0),
        ("sampling", "out.guided.latents", 4),
        ("end_to_end", "in.lr_uint8", 3),
        ("structcond_encoder", "out.t0.12", 2),
        ("motion_guidance", "in.latents", 0),
        ("color_fix", "in.style", 2),
    ],
)
def test_a_changed_size_is_named(spoilt, capsys, name, key, dimension):
    tensor = load_file(spoilt / f"{name}.safetensors")[key]
    change(spoilt, name, **{key: tensor.narrow(dimension, 0, tensor.shape[dimension] - 1).contiguous()})
    found = complaints(capsys, spoilt, name)
    assert any(line.startswith(name) and key.removeprefix("weights.") in line for line in found)


@pytest.mark.slow
def test_a_canvas_of_another_size_is_named(spoilt, capsys):
    table = spoilt / "end_to_end.json"
    facts = json.loads(table.read_text())
    facts["config"]["padded_hw"][1] += 32
    table.write_text(json.dumps(facts))
    assert any(line.startswith("end_to_end sizes") for line in complaints(capsys, spoilt, "end_to_end"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["another.safetensors", "notes.bin", "unets.json"])
def test_an_unknown_file_is_named(spoilt, capsys, name):
    (spoilt / name).write_bytes(b"{}")
    found = complaints(capsys, spoilt, "color_fix")
    assert len(found) == 1 and name in found[0] and "nobody knows this file" in found[0]


@pytest.mark.slow
def test_a_removed_output_is_named(spoilt, capsys):
    change(spoilt, "unet", **{"out.eps_b": None})
    assert any("out.eps_b" in line for line in complaints(capsys, spoilt, "unet"))


@pytest.mark.parametrize(
    ("name", "load", "checkpoint", "convolutional"),
    [
        ("unet", load_unet, unet_checkpoint, UNET),
        ("structcond_encoder", load_structure_encoder, structure_checkpoint, STRUCTURE_ENCODER),
        ("vae", load_vae, vae_checkpoint, VAE),
    ],
)
def test_names_read_backwards_are_the_published_ones(name, load, checkpoint, convolutional):
    vectors = Vectors(GOLDEN, name)
    network = load(vectors)
    again, published = official_tensors(network, checkpoint.official_names(network), convolutional), vectors.weights()
    assert again.keys() == published.keys()
    assert all(torch.equal(again[key], published[key]) for key in published)
