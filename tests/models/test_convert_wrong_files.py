from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import zipfile

import pytest
import torch
from published_checkpoints import configuration, save, small
from safetensors.torch import save_file

from models.checkpoint.container import read_tensors
from models.checkpoint.convert import convert
from models.checkpoint.plan import Source, make_plan
from models.checkpoint.renaming import CheckpointError

EXPECTED = "the right file"


def plan(diffusion=None, vae=None, flow=None, skip=()):
    published = small()
    return make_plan(
        Source("a.ckpt", published.diffusion if diffusion is None else diffusion),
        Source("b.ckpt", published.vae if vae is None else vae),
        None if flow is None else Source("c.pth", flow),
        configuration(),
        skip,
    )


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "is a Git LFS pointer"),
        (b"{'a': 1}", "is not a PyTorch checkpoint"),
        (b"\x1f\x8b\x08", "is not a PyTorch checkpoint"),
        (b"\x80\x02}q\x00.", "is not a whole PyTorch checkpoint|holds more than|is empty|no tensors"),
        (b"\x80\x02garbage", "expected the right file"),
        (pickle.dumps({"a": 1}), "expected the right file"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_for_what_it_is(tmp_path, content, message):
    file = tmp_path / "file.ckpt"
    file.write_bytes(content)
    refused(file, message)


def test_other_containers_are_named(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "file.ckpt")
    refused(tmp_path / "file.ckpt", "is a safetensors file")
    with zipfile.ZipFile(tmp_path / "file.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "file.ckpt", "is not a whole PyTorch checkpoint")
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "file.ckpt")
    refused(tmp_path / "file.ckpt", "is not a whole PyTorch checkpoint")
    for content in ([torch.zeros(3)], torch.zeros(3), {}, {"state_dict": {}}, {"epoch": 3}):
        torch.save(content, tmp_path / "file.ckpt")
        refused(tmp_path / "file.ckpt", "holds no|is empty")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {"a": torch.zeros(1), "step": 3}}, "its 'state_dict' holds more than tensors by name: step;"),
        ({"a": torch.zeros(1), "epoch": 3}, "holds no 'state_dict', and beside tensors epoch;"),
        ({"epoch": 3, "loss": 0.5}, "holds no 'state_dict', but epoch, loss;"),
    ],
)
def test_what_stands_among_the_tensors_is_named(tmp_path, content, message):
    torch.save(content, tmp_path / "file.ckpt")
    refused(tmp_path / "file.ckpt", message)


def test_the_prefix_of_training_on_several_devices_is_taken_off(tmp_path):
    published = small()
    files = []
    for name, tensors in (("a.ckpt", published.diffusion), ("b.ckpt", published.vae)):
        files.append(save(tmp_path / name, {f"module.{key}": x for key, x in tensors.items()}))
    convert(*files, None, tmp_path / "model", configuration=configuration())
    plain = save(tmp_path / "c.ckpt", published.diffusion), save(tmp_path / "d.ckpt", published.vae)
    convert(*plain, None, tmp_path / "plain", configuration=configuration())
    made, wanted = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.safetensors")}
        for root in (tmp_path / "model", tmp_path / "plain")
    )
    assert made == wanted and len(made) == 5
    some = save(tmp_path / "e.ckpt", {"module.a": torch.zeros(1), "b": torch.zeros(1)})
    assert set(read_tensors(some, EXPECTED)) == {"module.a", "b"}, "not of one wrapper"


@pytest.mark.parametrize("share", [0.3, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_was_cut_off_is_named(tmp_path, share, zipped):
    torch.save({"state_dict": {"a": torch.zeros(2000)}}, tmp_path / "whole", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "file.ckpt").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "file.ckpt", "is incomplete" if zipped else "is not a whole PyTorch checkpoint")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_never_run(tmp_path, zipped):
    content = {"state_dict": {"a": torch.zeros(1)}, "trap": Trap(tmp_path / "sprung")}
    torch.save(content, tmp_path / "file.ckpt", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "file.ckpt", r"mkdir.*nothing of it was run")
    (tmp_path / "file.ckpt").write_bytes(pickle.dumps(content["trap"]))
    refused(tmp_path / "file.ckpt", "expected the right file")
    assert not (tmp_path / "sprung").exists()


def test_what_a_training_framework_leaves_beside_the_tensors_is_passed_over(tmp_path, monkeypatch):
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks"})
    module = type(sys)("pytorch_lightning.callbacks")
    module.ModelCheckpoint = callback
    monkeypatch.setitem(sys.modules, "pytorch_lightning", type(sys)("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", module)
    instance = callback()
    instance.best = 3
    file = save(tmp_path / "file.ckpt", {"a": torch.ones(2)}, callbacks={callback: {"model": instance}})
    monkeypatch.delitem(sys.modules, "pytorch_lightning.callbacks")
    assert torch.equal(read_tensors(file, EXPECTED)["a"], torch.ones(2))


def test_files_given_in_the_wrong_place_are_recognised():
    published = small()
    with pytest.raises(CheckpointError, match=r"^b.ckpt: is MGLD-VSR's diffusion checkpoint; expected .*video VAE"):
        plan(vae=published.diffusion)
    with pytest.raises(CheckpointError, match=r"^a.ckpt: is MGLD-VSR's video VAE; expected .*diffusion checkpoint"):
        plan(diffusion=published.vae)
    with pytest.raises(CheckpointError, match=r"^c.pth: is MGLD-VSR's video VAE; expected RAFT's weights"):
        plan(flow=published.vae)
    plain = {key: x for key, x in published.diffusion.items() if not key.startswith("structcond")}
    with pytest.raises(CheckpointError, match=r"^a.ckpt: is a Stable Diffusion checkpoint without structure encoder"):
        plan(diffusion=plain)
    plain = {key: x for key, x in published.vae.items() if "temporal" not in key}
    with pytest.raises(CheckpointError, match=r"^b.ckpt: is an autoencoder without temporal layers"):
        plan(vae=plain)
    with pytest.raises(CheckpointError, match=r"^a.ckpt: has no model.diffusion_model.\*"):
        plan(diffusion={"x": torch.zeros(1)})
    no_flow = {key: x for key, x in published.diffusion.items() if not key.startswith("flownet")}
    with pytest.raises(CheckpointError, match=r"^a.ckpt: holds no flownet_model.\*; give RAFT's weights"):
        plan(diffusion=no_flow)
    assert plan(diffusion=no_flow, flow=published.flow).networks["flow"]


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("diffusion", "model.diffusion_model.time_embed.0.weight"),
        ("diffusion", "structcond_stage_model.input_blocks.0.0.bias"),
        ("diffusion", "cond_stage_model.model.ln_final.weight"),
        ("diffusion", "flownet_model.update_block.mask.0.bias"),
        ("vae", "decoder.conv_out.bias"),
    ],
)
def test_a_tensor_that_is_missing_or_misshapen_is_named_with_its_file(file, key):
    tensors = dict(getattr(small(), file))
    name = {"diffusion": "a.ckpt", "vae": "b.ckpt"}[file]
    short = key.split("_model.")[-1].removeprefix("model.")
    value = tensors.pop(key)
    with pytest.raises(CheckpointError, match=rf"^{name}: .*missing.*{short}"):
        plan(**{file: tensors})
    with pytest.raises(CheckpointError, match=rf"^{name}: .*{short}"):
        plan(**{file: tensors | {key: value.reshape(-1)[1:]}})


def test_a_tensor_without_a_place_is_refused_unless_skipped():
    extra = {"control_model.a": torch.zeros(1), "vae_extra": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"^a.ckpt: 1 tensors have no place in the model \(control_model.a\)"):
        plan(diffusion=small().diffusion | {"control_model.a": extra["control_model.a"]})
    with pytest.raises(CheckpointError, match=r"^b.ckpt: .*1 unexpected: vae_extra"):
        plan(vae=small().vae | {"vae_extra": torch.zeros(1)})
    skipped = plan(
        small().diffusion | {"control_model.a": torch.zeros(1)},
        small().vae | {"vae_extra": torch.zeros(1)},
        skip=["control_", "vae_"],
    )
    assert {"control_model.a", "vae_extra"} < {key for entry in skipped.omitted for key in entry.keys}


def test_averages_of_training_are_left_out():
    averages = {"model_ema.decay": torch.zeros(()), "model_ema.diffusion_modelout0bias": torch.zeros(3)}
    omitted = plan(small().diffusion | averages).omitted
    assert any(set(entry.keys) == set(averages) for entry in omitted)


def test_another_schedule_or_scale_is_refused():
    published = small()
    betas = published.diffusion["betas"].clone()
    betas[17] *= 1.001
    with pytest.raises(CheckpointError, match=r"^a.ckpt: its betas\[17\] is .* another schedule"):
        plan(published.diffusion | {"betas": betas})
    with pytest.raises(CheckpointError, match=r"its betas has the shape \(500,\), not \(1000,\)"):
        plan(published.diffusion | {"betas": betas[:500]})
    with pytest.raises(CheckpointError, match=r"its scale_factor is 0.3, not 0.18215"):
        plan(published.diffusion | {"scale_factor": torch.tensor(0.3)})
    assert plan(published.diffusion | {"scale_factor": torch.tensor(0.18215)})


def test_a_text_tower_of_another_width_than_the_unets_is_refused():
    from published_checkpoints import tower

    wide = tower(128, 2, torch.Generator().manual_seed(0))
    kept = {key: x for key, x in small().diffusion.items() if not key.startswith("cond_stage")}
    with pytest.raises(CheckpointError, match=r"text tower is 128 channels wide, but its UNet reads 64"):
        plan(kept | {f"cond_stage_model.model.{key}": x for key, x in wide.items()})


def test_nothing_is_left_behind_and_nothing_overwritten(tmp_path, monkeypatch):
    published = small()
    files = save(tmp_path / "a.ckpt", published.diffusion), save(tmp_path / "b.ckpt", published.vae)
    there = {"a.ckpt", "b.ckpt"}
    with pytest.raises(CheckpointError):
        convert(*reversed(files), None, tmp_path / "model", configuration=configuration())
    assert {path.name for path in tmp_path.iterdir()} == there
    with monkeypatch.context() as patch:
        patch.setattr("models.checkpoint.convert._sha256", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(*files, None, tmp_path / "model", configuration=configuration())
    assert {path.name for path in tmp_path.iterdir()} == there
    (tmp_path / "model").mkdir()
    (tmp_path / "model/mine").touch()
    with pytest.raises(FileExistsError, match="exists already"):
        convert(*files, None, tmp_path / "model", configuration=configuration())
    (tmp_path / "model/mine").unlink()
    convert(*files, None, tmp_path / "model", configuration=configuration())
    assert (tmp_path / "model/unet/config.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == there | {"model"}


def test_a_full_disk_is_said_of_the_output(tmp_path):
    files = save(tmp_path / "a.ckpt", small().diffusion), save(tmp_path / "b.ckpt", small().vae)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(OSError, match="cannot be written, and nothing is left of it: File too large") as error:
            convert(*files, None, tmp_path / "model", configuration=configuration())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.filename == str(tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"a.ckpt", "b.ckpt"}


def refused(file, message):
    with pytest.raises(CheckpointError, match=message) as error:
        read_tensors(file, EXPECTED)
    line = str(error.value)
    assert line.startswith(f"{file}: ") and "\n" not in line and line.endswith("expected the right file")
