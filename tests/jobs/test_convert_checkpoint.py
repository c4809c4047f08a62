from __future__ import annotations

import pytest
import typer
from published_checkpoints import configuration, save, small
from typer.testing import CliRunner

from jobs.convert_checkpoint import convert_checkpoint
from models.folder import ModelFolder


@pytest.fixture
def command(monkeypatch):
    """The command as it is, at the size of the small checkpoint."""
    from models.checkpoint import convert as module

    original = module.convert
    monkeypatch.setattr(module, "convert", lambda *a, **k: original(*a, **k, configuration=configuration()))
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(convert_checkpoint)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(a) for a in arguments], standalone_mode=False)
        assert result.exception is None
        return result

    return run


@pytest.fixture
def files(tmp_path):
    return save(tmp_path / "a.ckpt", small().diffusion), save(tmp_path / "b.ckpt", small().vae)


def test_a_model_folder_is_made_and_described(command, files, tmp_path):
    output = tmp_path / "new/model"
    result = command("--diffusion", files[0], "--vae", files[1], "--output", output, "--precision", "float32")
    assert result.return_value == 0
    assert result.stdout == f"{output}\n"
    assert "unet: writing" in result.stderr
    assert "left out of a.ckpt: 12 tensors (the schedule's numbers" in result.stderr
    assert ModelFolder(output).unet().config.cross_attention_dim == 64


def test_a_wrong_file_is_one_line_and_no_folder(command, files, tmp_path):
    result = command("--diffusion", files[1], "--vae", files[0], "--output", tmp_path / "model")
    assert result.return_value == 1
    assert result.stderr.startswith(f"error: {files[1]}: is MGLD-VSR's video VAE; expected")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_a_file_that_is_not_there_is_one_line(command, files, tmp_path):
    result = command("--diffusion", tmp_path / "none.ckpt", "--vae", files[1], "--output", tmp_path / "model")
    assert result.return_value == 1
    assert "none.ckpt" in result.stderr and result.stderr.count("\n") == 1
