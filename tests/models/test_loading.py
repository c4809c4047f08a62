"""Networks are loaded whole or not at all."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.folder import ModelFolder
from models.stored_files import WEIGHTS
from models.vae import TemporalVAE

TINY_VAE = {"block_out_channels": (8, 8, 8), "layers_per_block": 1, "norm_groups": 4}


@pytest.fixture
def folder(tmp_path, seeded):
    TemporalVAE(**TINY_VAE).save_pretrained(tmp_path / "vae")
    return ModelFolder(tmp_path)


def rewrite(folder, change):
    """Let ``change`` alter the VAE's tensors, a dictionary, in place."""
    file = folder.root / "vae" / WEIGHTS
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def test_tensors_that_are_missing_are_named(folder):
    rewrite(folder, lambda tensors: tensors.pop("encoder.conv_in.bias"))
    with pytest.raises(
        ValueError, match=r"vae: does not hold a whole TemporalVAE: lacks encoder\.conv_in\.bias; copy or convert"
    ):
        folder.vae()


def test_tensors_of_something_else_are_named(folder):
    rewrite(folder, lambda tensors: tensors.update(surplus=torch.ones(1)))
    with pytest.raises(ValueError, match=r"vae: does not hold a whole TemporalVAE: has no place for surplus; copy or"):
        folder.vae()


def test_tensors_of_another_shape_are_named(folder):
    rewrite(folder, lambda tensors: tensors.update({"encoder.conv_in.bias": torch.ones(3)}))
    with pytest.raises(
        ValueError, match=r"vae: .*: holds other shapes of encoder\.conv_in\.bias \(\[3\] instead of \[8\]\); copy or"
    ):
        folder.vae()


def test_of_many_tensors_only_a_few_are_named(folder):
    def keep_one(tensors):
        for name in sorted(tensors)[1:]:
            del tensors[name]

    count = len(load_file(folder.root / "vae" / WEIGHTS)) - 1
    rewrite(folder, keep_one)
    with pytest.raises(ValueError, match=rf"lacks [\w.]+, [\w.]+, [\w.]+ and {count - 3} more; copy or") as caught:
        folder.vae()
    assert "\n" not in str(caught.value)


def test_a_network_in_several_files_is_whole_or_its_missing_tensors_are_named(tmp_path, seeded):
    saved = TemporalVAE(**TINY_VAE).eval()
    saved.save_pretrained(tmp_path / "vae", max_shard_size="20KB")
    index = tmp_path / "vae" / f"{WEIGHTS}.index.json"
    loaded = ModelFolder(tmp_path).vae()
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in saved.state_dict().items())
    content = json.loads(index.read_text())
    part = tmp_path / "vae" / content["weight_map"].pop("encoder.conv_in.bias")
    tensors = load_file(part)
    del tensors["encoder.conv_in.bias"]
    save_file(tensors, part, metadata={"format": "pt"})
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"lacks encoder\.conv_in\.bias"):
        ModelFolder(tmp_path).vae()
    index.write_text("{}")
    with pytest.raises(ValueError, match=r"index\.json: names no weight files; copy or convert"):
        ModelFolder(tmp_path).check("vae")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bloc_out_channels": [8]}, "has settings that a TemporalVAE has not: bloc_out_channels"),
        ({"layers_per_block": [1]}, "a TemporalVAE cannot be made: 3 levels need 3 values"),
        ({"layers_per_block": "many"}, "a TemporalVAE cannot be made: "),
    ],
)
def test_settings_that_are_unknown_or_make_no_network_are_named(folder, change, said):
    file = folder.root / "vae" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=rf"vae/config\.json: {said}.*; copy or convert the model folder again$"):
        folder.vae()
