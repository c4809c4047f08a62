"""A clip twice as long needs no more frames in memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluation import clip as clips
from evaluation.evaluate import evaluate
from evaluation.settings import EvaluationSettings

WriteClip = Callable[[str, np.ndarray], Path]


@pytest.mark.usefixtures("cvvdp")
def test_the_frames_alive_at_once_do_not_grow_with_the_clip(
    write_clip: WriteClip, panning: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = clips.rgb_from_picture
    alive = most = 0

    def watched(*given: object) -> np.ndarray:
        nonlocal alive, most
        frame = convert(*given)
        alive += 1
        most = max(most, alive)
        weakref.finalize(frame, lower)
        return frame

    def lower() -> None:
        nonlocal alive
        alive -= 1

    monkeypatch.setattr(clips, "rgb_from_picture", watched)
    found = []
    settings = EvaluationSettings(flow="dis", device="cpu", profile=tmp_path / "rows.png")
    for count in (6, 12):
        path, low = write_clip(f"{count}", panning[:count]), write_clip(f"low{count}", panning[:count, ::4, ::4])
        most = 0
        assert evaluate(path, path, low, settings).cvvdp is not None
        assert alive == 0
        found.append(most)
    assert found[0] == found[1] <= 8
