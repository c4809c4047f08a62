"""The same job gives the same bytes, wherever and by how many it is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from whole_jobs import TINY, Line, published, restored, tree, write_clip

import stages.sample.noise
from pipeline.config import load_config
from pipeline.run import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agree") / "library"
    write_clip(folder / "cut.mkv", frames=22, cut=13, audio="flac")
    write_clip(folder / "sub" / "long.mkv", frames=15, seed=2)
    return folder


@pytest.fixture(scope="module")
def local(library: Path, model: Path) -> Line:
    line = Line([library], library.parent / "restored", library.parent / "workspace", model)
    done = line.run()
    assert done.returncode == 0, done.stderr
    return line


def test_ray_gives_what_local_gives(local: Line, tmp_path: Path) -> None:
    settings = {"pools.sample.min": "2"}
    places = {"output": tmp_path / "restored", "workspace": tmp_path / "workspace"}
    done = replace(local, executor="ray", settings=settings, **places).run()
    assert done.returncode == 0, done.stderr
    assert published(places["output"]) == published(Path(local.output)) and published(Path(local.output))
    assert restored(places["output"]) == restored(Path(local.output))
    assert _latents(places["workspace"]) == _latents(Path(local.workspace))


def _latents(workspace: Path) -> dict[str, bytes]:
    return tree(workspace / "artifacts" / "sample")


class Recorder:
    """Stands in for the noise and remembers what was asked and given."""

    def __init__(self) -> None:
        self.given: dict[tuple[Any, ...], Tensor] = {}
        self._make = stages.sample.noise.frame_noise

    def __call__(self, seed: int, video: str, frame: int, step: int | str, shape: Any) -> Tensor:
        noise = self._make(seed, video, frame, step, shape)
        key = (seed, video, frame, step, tuple(shape))
        assert key not in self.given or torch.equal(self.given[key], noise)
        self.given[key] = noise.clone()
        return noise


def test_a_frame_has_the_same_noise_however_long_the_chunks_are(
    library: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    found = []
    for frames in (8, 6, 22):
        changed = {
            **TINY,
            "split.chunk_frames": str(frames),
            "sample.solver": "ddpm",
            "sample.sample_posterior": "true",
        }
        overrides = [f"{key}={value}" for key, value in {**changed, "model": str(model)}.items()]
        recorder = Recorder()
        with monkeypatch.context() as patch:
            patch.setattr(stages.sample.noise, "frame_noise", recorder)
            place = tmp_path / str(frames)
            assert run(load_config(None, overrides), [library / "cut.mkv"], place / "o", place / "w").ok
        found.append(recorder.given)
    torch.set_num_threads(before)
    first, *others = found
    steps = {key[3] for key in first}
    assert {key[2] for key in first} == set(range(22)) and {"posterior", "start"} <= steps and len(steps) > 2
    for other in others:
        assert other.keys() == first.keys()
        assert all(torch.equal(other[key], noise) for key, noise in first.items())
