from __future__ import annotations

import json
import shutil
import subprocess
import sys

import diffusers
import pytest
import torch
from safetensors.torch import load, load_file, save_file

from models.folder import EMBEDDED_FOLDER, ModelFolder
from models.schedule import DiffusionSchedule
from models.spynet import SPyNet
from models.stored_files import WEIGHTS
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

TINY_VAE = {"block_out_channels": (8, 8, 8), "layers_per_block": 1, "norm_groups": 4, "scaling_factor": 0.7}


@pytest.fixture
def folder(tmp_path, seeded):
    TemporalVAE(**TINY_VAE).save_pretrained(tmp_path / "vae")
    SPyNet(num_levels=1).save_pretrained(tmp_path / "flow")
    return ModelFolder(tmp_path)


def test_networks_come_back_as_they_were_saved(tmp_path, seeded):
    saved = TemporalVAE(**TINY_VAE).eval()
    saved.save_pretrained(tmp_path / "vae")
    loaded = ModelFolder(tmp_path).vae()
    assert loaded.config.scaling_factor == 0.7
    assert not loaded.training
    images = torch.rand(5, 3, 8, 8)
    assert torch.equal(saved(images), loaded(images))


def test_what_stages_need_is_known_without_loading(folder):
    assert folder.downscale == folder.canvas_multiple == 4
    assert isinstance(folder.flow("spynet"), SPyNet)
    assert folder.prompt() is None
    (folder.root / "prompt").mkdir()
    save_file({"prompt": torch.ones(1, 77, 4)}, folder.root / "prompt/prompt.safetensors")
    assert folder.prompt().shape == (1, 77, 4)


def test_the_schedule_is_stable_diffusions_unless_told_otherwise(folder):
    assert torch.equal(folder.schedule().alphas_cumprod, DiffusionSchedule.base().alphas_cumprod)
    config = {"beta_start": 0.001, "beta_end": 0.01, "num_train_timesteps": 50, "beta_schedule": "scaled_linear"}
    (folder.root / "scheduler").mkdir()
    (folder.root / "scheduler/scheduler_config.json").write_text(json.dumps(config))
    assert len(folder.schedule()) == 50


def test_a_digest_follows_every_byte_and_name_and_nothing_else(folder):
    before = folder.digest("vae", "prompt")
    assert before == ModelFolder(folder.root).digest("vae", "prompt")
    assert before != folder.digest("vae")
    weights = folder.root / "vae/diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = folder.digest("vae", "prompt")
    assert changed != before
    weights.rename(weights.with_name("other.safetensors"))
    assert folder.digest("vae", "prompt") not in (before, changed)


def test_a_copy_of_a_folder_has_its_digest(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    (copy / "vae").mkdir()
    for file in (folder.root / "vae").iterdir():
        (copy / "vae" / file.name).write_bytes(file.read_bytes())
    assert ModelFolder(copy).digest("vae") == folder.digest("vae")


def test_what_is_missing_or_wrong_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no unet/; it holds flow, vae"):
        folder.unet()
    with pytest.raises(FileNotFoundError, match=r"no structure_encoder/"):
        folder.digest("vae", "structure_encoder")
    with pytest.raises(FileNotFoundError, match=r"no vae/; it is empty or does not exist"):
        ModelFolder(tmp_path / "nowhere").vae()
    with pytest.raises(ValueError, match=r"flow: holds a SPyNet, not a RAFT"):
        folder.flow("raft")
    StructureEncoder(block_out_channels=(32,), layers_per_block=1).save_pretrained(tmp_path / "unet")
    with pytest.raises(ValueError, match=r"unet: holds a StructureEncoder, not a DenoisingUNet"):
        folder.unet()


def test_a_check_finds_what_is_missing_or_broken_off_without_loading_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("diffusers.models.modeling_utils.ModelMixin.from_pretrained", None)
    folder.check("vae")
    folder.check_flow("spynet")
    with pytest.raises(ValueError, match=r"flow: holds a SPyNet, not a RAFT"):
        folder.check_flow("raft")
    weights = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(
        ValueError, match=r"model\.safetensors: damaged or not complete \(.*\); copy or convert the model"
    ):
        folder.check("vae")
    weights.unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors: missing; copy or convert the model folder again"):
        folder.check("vae")
    # As diffusers writes large networks: an index, and parts that it names.
    (first, *others), parts = load(content), ["part-1.safetensors", "part-2.safetensors"]
    index = {"metadata": {}, "weight_map": {first: parts[0], **dict.fromkeys(others, parts[1])}}
    weights.with_name(f"{weights.name}.index.json").write_text(json.dumps(index))
    weights.with_name("part-1.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"part-2\.safetensors: missing"):
        folder.check("vae")
    weights.with_name("part-2.safetensors").write_bytes(content)
    folder.check("vae")


def test_a_check_finds_tensors_that_are_missing_or_of_another_shape(folder, tmp_path):
    file = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    whole = load_file(file)
    (short, other), bias = sorted(whole)[:2], torch.ones(3)
    save_file({name: value for name, value in whole.items() if name != short}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"vae: does not hold a whole TemporalVAE: lacks {short}; copy or convert"):
        folder.check("vae")
    folder.check_flow("spynet")
    save_file({**whole, other: bias}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"vae: .*: holds other shapes of {other} \(\[3\] instead of \["):
        folder.check("vae")
    save_file(whole, file, metadata={"format": "pt"})
    folder.check("vae")


def test_a_check_finds_settings_that_no_network_can_have(folder, tmp_path):
    file = tmp_path / "flow/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "levels": 3}))
    with pytest.raises(ValueError, match=r"flow/config\.json: has settings that a SPyNet has not: levels; copy or"):
        folder.check_flow("spynet")


def test_a_unet_that_attends_to_a_prompt_needs_one(folder, tmp_path):
    DenoisingUNet(block_out_channels=(32,), head_channels=8, cross_attention_dim=4).save_pretrained(tmp_path / "unet")
    with pytest.raises(FileNotFoundError, match=r"no prompt/prompt\.safetensors, which this UNet needs"):
        folder.check("unet")
    (tmp_path / "prompt").mkdir()
    save_file({"prompt": torch.ones(1, 77, 5)}, tmp_path / "prompt/prompt.safetensors")
    with pytest.raises(ValueError, match=r"'prompt' is \[1, 77, 5\], and this UNet needs \[1, length, 4\]; copy or"):
        folder.check("unet")
    save_file({"prompt": torch.ones(1, 77, 4)}, tmp_path / "prompt/prompt.safetensors")
    folder.check("unet")


@pytest.mark.parametrize("content", [b'{"_class_name": "Temp', b"", b"\xff\xfe"])
def test_a_damaged_configuration_is_named(folder, content):
    file = folder.root / "vae" / "config.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"vae/config\.json: damaged or not complete \(.*\); copy or convert"):
        folder.check("vae")


SCHEDULER = {"beta_start": 0.001, "beta_end": 0.01, "num_train_timesteps": 50, "beta_schedule": "scaled_linear"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prediction_type": "v_prediction"}, "beta schedule and prediction type are .*v_prediction"),
        ({"beta_start": None}, "beta_start is None"),
        ({"beta_end": "0.01"}, "beta_end is '0.01'"),
        ({"beta_end": 1.5}, "beta_end is 1.5"),
        ({"num_train_timesteps": 0}, "num_train_timesteps is 0"),
        ({"num_train_timesteps": 10.5}, "num_train_timesteps is 10.5"),
    ],
)
def test_a_schedule_that_cannot_be_used_is_found_without_loading_anything(folder, change, said):
    folder.check_schedule()
    file = folder.root / "scheduler/scheduler_config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(SCHEDULER))
    folder.check_schedule()
    file.write_text(json.dumps(SCHEDULER | change))
    for ask in (folder.check_schedule, folder.schedule):
        with pytest.raises(ValueError, match=rf"scheduler_config\.json: {said}"):
            ask()


def test_weights_are_called_as_diffusers_calls_them():
    assert WEIGHTS == diffusers.utils.SAFETENSORS_WEIGHTS_NAME


@pytest.mark.parametrize("copied", [False, True])
def test_a_folder_is_checked_without_torch(tmp_path, copied):
    if copied:
        shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model")
    place = f"Path({str(tmp_path / 'model')!r})" if copied else ""
    check = (
        f"import sys; from pathlib import Path; from models.folder import ModelFolder; folder = ModelFolder({place}); "
        "folder.check('unet', 'structure_encoder', 'vae'); folder.check_schedule(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_what_a_folder_lacks_is_found_without_torch(folder):
    file = folder.root / "vae" / WEIGHTS
    whole = load_file(file)
    lacking = min(whole)
    save_file({name: value for name, value in whole.items() if name != lacking}, file, metadata={"format": "pt"})
    check = (
        "import sys; from pathlib import Path; from models.folder import ModelFolder\n"
        f"try: ModelFolder(Path({str(folder.root)!r})).check('vae')\n"
        "except ValueError as error: print(error, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout
    assert f"does not hold a whole TemporalVAE: lacks {lacking};" in said and said.endswith("False\n")


def test_no_folder_means_the_embedded_model():
    assert ModelFolder().root == EMBEDDED_FOLDER
