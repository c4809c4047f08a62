from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from training.codecs import (
    CODECS,
    VideoCompression,
    compress,
    draw_compression,
    from_planes,
    to_planes,
    video_codec,
)
from training.degradations import Degradation, degrade


def clip(count: int = 5, height: int = 48, width: int = 64) -> Tensor:
    """A texture that moves two pixels a frame."""
    noise = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    wide = functional.interpolate(noise, (height, width + 2 * count), mode="bicubic").clamp(0, 1)
    return torch.cat([wide[..., 2 * index : 2 * index + width] for index in range(count)])


@pytest.mark.parametrize("codec", CODECS)
def test_a_poorer_quality_is_poorer_and_frames_stay_in_their_order(codec: str) -> None:
    frames = clip()
    fine, coarse = (18.0, 35.0) if codec == "h264" else (2.0, 14.0)
    for b_frames in (0, 2):
        good, poor = (compress(frames, VideoCompression(codec, q, b_frames, 12)) for q in (fine, coarse))
        errors = [(made - frames).abs().mean() for made in (good, poor)]
        assert 0 < errors[0] < errors[1] < 0.12
        nearest = (good[:, None] - frames[None]).abs().mean((2, 3, 4)).argmin(1)
        assert nearest.tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_clip_keeps_its_size_and_the_seed_decides(seed: int, count: int, height: int, width: int) -> None:
    frames = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))
    first, second = (video_codec(frames, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert first.shape == frames.shape
    assert torch.equal(first, second)
    assert first.min() >= 0 and first.max() <= 1


def test_the_generator_chooses_among_all_codecs_and_qualities() -> None:
    drawn = [draw_compression(torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert {one.codec for one in drawn} == set(CODECS)
    assert {one.b_frames for one in drawn} == {0, 1, 2} and {one.group for one in drawn} == {2, 12}
    assert len({one.quality for one in drawn}) == 60


def test_planes_and_back_lose_only_colour_detail() -> None:
    grey = torch.rand(2, 1, 8, 8).expand(-1, 3, -1, -1)
    torch.testing.assert_close(from_planes(to_planes(grey)), grey, atol=0.004, rtol=0)
    colours = torch.rand(6, 3, 1, 1).expand(-1, -1, 4, 6)
    torch.testing.assert_close(from_planes(to_planes(colours)), colours, atol=0.01, rtol=0)


@pytest.mark.parametrize("kind", [Degradation.real_world, Degradation.archive])
def test_both_kinds_of_damage_hold_clips_of_every_codec(kind: Degradation, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def note(frames: Tensor, compression: VideoCompression) -> Tensor:
        seen.append(compression.codec)
        return frames

    monkeypatch.setattr("training.codecs.compress", note)
    for seed in range(40):
        degrade(clip(2, 32, 32), kind, torch.Generator().manual_seed(seed))
    assert set(seen) == set(CODECS) and len(seen) < 35
