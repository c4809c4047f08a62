"""Settings and indices of model folders that no one wrote on purpose: one line each, before memory is asked for."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.folder import ModelFolder
from models.stored_files import WEIGHTS
from models.vae import TemporalVAE

TINY_VAE = {"block_out_channels": (8, 8, 8), "layers_per_block": 1, "norm_groups": 4}
BIAS = "encoder.conv_in.bias"


@pytest.fixture
def folder(tmp_path, seeded):
    TemporalVAE(**TINY_VAE).save_pretrained(tmp_path / "vae")
    return ModelFolder(tmp_path)


@pytest.fixture
def parts(tmp_path, seeded):
    """The same in several files."""
    TemporalVAE(**TINY_VAE).save_pretrained(tmp_path / "vae", max_shard_size="20KB")
    return ModelFolder(tmp_path)


def change_json(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def change_tensors(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def complaint(folder):
    with pytest.raises(ValueError, match=r"vae.*; copy or convert the model folder again$") as caught:
        folder.vae()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"norm_groups": 3}, "a TemporalVAE cannot be made: num_channels (8) must be divisible by num_groups (3);"),
        ({"block_out_channels": []}, "a TemporalVAE cannot be made: IndexError('list index out of range');"),
        ({"block_out_channels": [8, -8, 8]}, "a TemporalVAE cannot be made: Trying to create tensor with negative"),
        ({"block_out_channels": {"a": 8}}, "a TemporalVAE cannot be made: KeyError(0);"),
        ({"latent_channels": 10**8}, "does not hold a whole TemporalVAE: holds other shapes of decoder.conv_in.weight"),
        ({"mid_attention": False}, "does not hold a whole TemporalVAE: has no place for decoder.middle.attention."),
    ],
)
def test_settings_that_are_not_the_networks(folder, changes, said):
    change_json(folder.root / "vae/config.json", lambda config: config.update(changes))
    assert said in complaint(folder)


@pytest.mark.parametrize("changes", [{"scaling_factor": 0.5, "num_frames": 7}, {"_remark": "trained on tapes"}])
def test_settings_that_shape_nothing_are_taken(folder, changes):
    change_json(folder.root / "vae/config.json", lambda config: config.update(changes))
    folder.vae()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tensors_of_fewer_bits_are_taken(folder, dtype):
    change_tensors(
        folder.root / "vae" / WEIGHTS, lambda tensors: tensors.update({k: v.to(dtype) for k, v in tensors.items()})
    )
    folder.vae()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index["weight_map"].pop(BIAS), f"lacks {BIAS};"),
        (lambda index: index.clear(), "names no weight files;"),
        (lambda index: index.pop("metadata"), "has no 'metadata';"),
        (lambda index: index.update(weight_map=["a"]), "names no weight files;"),
        (lambda index: index["weight_map"].update({BIAS: 3}), "names 3, which is no file beside it;"),
        (lambda index: index["weight_map"].update({BIAS: "../a"}), "names '../a', which is no file beside it;"),
    ],
)
def test_an_index_that_is_none(parts, change, said):
    change_json(parts.root / "vae" / f"{WEIGHTS}.index.json", change)
    assert said in complaint(parts)


def test_a_tensor_that_the_index_names_and_no_file_holds(parts):
    index = json.loads((parts.root / "vae" / f"{WEIGHTS}.index.json").read_text())
    change_tensors(parts.root / "vae" / index["weight_map"][BIAS], lambda tensors: tensors.pop(BIAS))
    assert f"lacks {BIAS};" in complaint(parts)


def test_tensors_that_the_index_does_not_name_are_not_looked_at(parts):
    index = json.loads((parts.root / "vae" / f"{WEIGHTS}.index.json").read_text())
    file = parts.root / "vae" / index["weight_map"][BIAS]
    change_tensors(file, lambda tensors: tensors.update(remark=torch.ones(1)))
    parts.vae()
