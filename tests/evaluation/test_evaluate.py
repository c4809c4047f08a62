from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation import clip as clips
from evaluation import evaluate as evaluation
from evaluation.clip import Clip, side_by_side
from evaluation.cvvdp_import import MissingError
from evaluation.evaluate import evaluate
from evaluation.report import Report
from evaluation.settings import EvaluationSettings
from stages.contract import ItemError

WriteClip = Callable[[str, np.ndarray], Path]
QUICK = EvaluationSettings(measures=("psnr", "consistency", "sharpness"))


def test_clips_of_other_sizes_are_refused(write_clip: WriteClip, panning: np.ndarray) -> None:
    reference, restored = write_clip("reference", panning), write_clip("restored", panning[:, :40])
    with pytest.raises(ItemError, match=r"restored.mkv is 112x40, but reference.mkv is 112x80"):
        evaluate(reference, restored, settings=QUICK)
    with pytest.raises(ItemError, match="larger than"):
        evaluate(restored, restored, reference, QUICK)


@pytest.mark.parametrize("longer", ["reference", "restored"])
def test_clips_of_other_lengths_are_refused(write_clip: WriteClip, panning: np.ndarray, longer: str) -> None:
    paths = {name: write_clip(name, panning[: 5 if name == longer else 3]) for name in ("reference", "restored")}
    with pytest.raises(ItemError, match=f"{longer}.mkv has 5"):
        evaluate(**paths, settings=QUICK)
    report = evaluate(**paths, settings=QUICK.model_copy(update={"frames": 3}))
    assert report.frames == 3


def test_what_is_no_video_is_named(write_clip: WriteClip, panning: np.ndarray, tmp_path: Path) -> None:
    good, text = write_clip("good", panning[:2]), tmp_path / "notes.mkv"
    text.write_text("not a video")
    for bad in (text, tmp_path / "absent.mkv"):
        with pytest.raises(ItemError, match=bad.name):
            evaluate(good, bad, settings=QUICK)


def test_measures_with_the_input(write_clip: WriteClip, panning: np.ndarray) -> None:
    small = np.stack([cv2.resize(each, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) for each in panning[:3]])
    large = np.stack([cv2.resize(each, (112, 80), interpolation=cv2.INTER_CUBIC) for each in small])
    reference, low = write_clip("reference", panning[:3]), write_clip("low", small)
    original = evaluate(reference, reference, low, QUICK)
    bicubic = evaluate(reference, write_clip("bicubic", large), low, QUICK)
    assert bicubic.sharpness_gain == pytest.approx(1, abs=0.1)
    assert original.sharpness_gain > 1.5
    assert bicubic.consistency > 30
    assert bicubic.restored.sharpness < bicubic.reference.sharpness
    without = evaluate(reference, reference, settings=QUICK)
    assert without.consistency is None and "--lr" in without.notes[0]


def test_json_survives_infinity(write_clip: WriteClip, panning: np.ndarray) -> None:
    path = write_clip("clip", panning[:2])
    report = evaluate(path, path, settings=QUICK)
    again = Report.model_validate_json(report.model_dump_json())
    assert math.isinf(again.psnr_y) and again == report


def test_the_temporal_profile_shows_one_row_over_time(
    write_clip: WriteClip, panning: np.ndarray, tmp_path: Path
) -> None:
    path, picture = write_clip("clip", panning), tmp_path / "profile.png"
    low = write_clip("low", panning[:, ::4, ::4])
    settings = EvaluationSettings(measures=("psnr",), profile=picture, profile_row=20)
    evaluate(path, path, low, settings)
    drawn = cv2.imread(str(picture))[..., ::-1]
    band, repeated = 28, 13
    assert drawn.shape == (band + repeated * len(panning), 3 * 112 + 16, 3)
    assert (drawn[band::repeated, 120:232] == panning[:, 20]).all()
    with pytest.raises(ItemError, match="no row 80"):
        evaluate(path, path, settings=settings.model_copy(update={"profile_row": 80}))


def test_without_colorvideovdp_the_rest_is_measured(
    write_clip: WriteClip, panning: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "is_installed", lambda: False)
    path = write_clip("clip", panning[:2])
    report = evaluate(path, path, settings=EvaluationSettings(flow="dis"))
    assert report.cvvdp is None and report.ssim_y == pytest.approx(1)
    assert any("pip install --no-deps cvvdp" in note for note in report.notes)
    with pytest.raises(MissingError, match="pip install --no-deps cvvdp"):
        evaluate(path, path, settings=EvaluationSettings(measures=("cvvdp",)))


def test_frames_are_decoded_only_as_they_are_asked_for(
    write_clip: WriteClip, panning: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip("clip", panning)
    decoded = 0
    convert = clips.rgb_from_picture

    def count(*given: object) -> object:
        nonlocal decoded
        decoded += 1
        return convert(*given)

    monkeypatch.setattr(clips, "rgb_from_picture", count)
    pairs = side_by_side([Clip.open(path), Clip.open(path)])
    for number in range(1, 4):
        next(pairs)
        assert decoded == 2 * number


def test_a_cut_is_left_out(write_clip: WriteClip, panning: np.ndarray) -> None:
    other = np.random.default_rng(1).integers(0, 255, panning.shape, np.uint8)
    path = write_clip("clip", np.concatenate([panning[:3], other[:1].repeat(3, axis=0)]))
    settings = EvaluationSettings(measures=("warping",), flow="dis")
    report = evaluate(path, path, settings=settings)
    assert report.pairs_left_out == 1
    assert report.restored.warping_error < 1


def test_the_smallest_clips_are_measured_and_what_cannot_be_is_told(
    write_clip: WriteClip, panning: np.ndarray, tmp_path: Path
) -> None:
    for height, width in ((8, 8), (10, 64)):
        path = write_clip(f"{width}", panning[:3, :height, :width])
        report = evaluate(path, path, settings=EvaluationSettings(measures=("psnr", "ssim", "warping"), flow="dis"))
        assert report.restored.warping_error is not None and report.flow == "dis"
        assert report.ssim_y is None and report.notes == ("SSIM: frames are smaller than 11x11",)


def test_a_profile_that_cannot_be_written_is_refused_before_anything_is_measured(
    write_clip: WriteClip, panning: np.ndarray, tmp_path: Path
) -> None:
    path, measured = write_clip("clip", panning[:2]), list[str]()
    settings = EvaluationSettings(measures=("psnr",), profile=tmp_path / "absent" / "x.png")
    with pytest.raises(ItemError, match=r"absent/x\.png: there is no folder .*/absent; make it, or name another file"):
        evaluate(path, path, settings=settings, progress=lambda stage, number: measured.append(stage))
    assert not measured


@pytest.mark.usefixtures("cvvdp")
def test_a_display_that_there_is_not_is_refused_before_anything_is_measured(
    write_clip: WriteClip, panning: np.ndarray
) -> None:
    path, measured = write_clip("clip", panning[:2]), list[str]()
    settings = EvaluationSettings(measures=("psnr", "cvvdp"), display="standard_5k")
    with pytest.raises(ValueError, match="display 'standard_5k' is not known to ColorVideoVDP") as found:
        evaluate(path, path, settings=settings, progress=lambda stage, number: measured.append(stage))
    assert "\n" not in str(found.value) and not measured
