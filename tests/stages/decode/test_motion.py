"""Optical flow between decoded frames, and that of the flow stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from textured import target
from torch import Tensor

from stages.decode import motion
from stages.decode.cleanliness import Judged
from stages.decode.motion import found_anew, pair_by_pair
from stages.flow.flows import read_motion

STEP = 3
"""Pixels that the picture moves to the left from each frame to the next; it moves up by 2."""


def judged(*frames: Tensor, scale: int = 4) -> list[Judged]:
    return [Judged(each, torch.zeros(1, 1, each.shape[-2] // scale, each.shape[-1] // scale)) for each in frames]


def panned(frames: int, height: int = 160, width: int = 224) -> list[Tensor]:
    picture = target(192, 256)[0]
    return [picture[:, 2 * n : 2 * n + height, STEP * n : STEP * n + width] for n in range(frames)]


def inside(flow: Tensor) -> Tensor:
    return flow[..., 3:-3, 3:-3]


@pytest.mark.parametrize("scale", [2, 4])
def test_the_motion_of_a_pan_is_found_at_half_of_the_source(scale: int) -> None:
    pairs = list(found_anew(judged(*panned(3), scale=scale)))
    assert len(pairs) == 2
    for pair in pairs:
        assert pair.forward.shape == (1, 2, 160 // scale // 2, 224 // scale // 2)
        way = torch.tensor([-STEP / scale / 2, -2 / scale / 2]).view(1, 2, 1, 1)
        for flow, expected in ((pair.forward, way), (pair.backward, -way)):
            assert float((inside(flow) - expected).abs().mean()) < 0.1
        assert float(inside(pair.forward_occlusion).float().mean()) < 0.05


def test_what_covers_or_is_covered_is_not_believed() -> None:
    frames = [target(160, 224)[0] * 0.3 for _ in range(2)]
    for number, frame in enumerate(frames):
        left = 40 + 40 * number
        frame[:, 40:120, left : left + 80] = target(80, 80, seed=2)[0]
    (pair,) = found_anew(judged(*frames))
    uncovered = pair.backward_occlusion[0, 0, 6:14, 6:9].float().mean()
    still = pair.backward_occlusion[0, 0, 1:4, :].float().mean()
    assert float(uncovered) > 0.4 > 0.05 > float(still)


def test_small_things_move_as_twice_the_size_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [torch.full((3, 160, 224), -0.5) for _ in range(2)]
    for number, frame in enumerate(frames):
        frame += 0.02 * target(160, 224)[0]
        frame[:, 80:88, 80 + 12 * number : 140 + 12 * number] = target(8, 64, seed=3)[0, :, :, :60]
    (pair,) = found_anew(judged(*frames))
    there = pair.forward[0, :, 10, 13:15].mean(-1)
    monkeypatch.setattr(motion, "FINER", float("inf"))
    (coarse,) = found_anew(judged(*frames))
    only_coarse = coarse.forward[0, :, 10, 13:15].mean(-1)
    expected = torch.tensor([12 / 8, 0.0])
    assert float((there - expected).norm()) < 0.3 < float((only_coarse - expected).norm())


def test_threads_do_not_decide_what_is_found() -> None:
    alone, beside = (list(found_anew(judged(*panned(5)), threads)) for threads in (1, 3))
    assert len(alone) == len(beside) == 4
    for one, other in zip(alone, beside, strict=True):
        assert torch.equal(one.forward, other.forward) and torch.equal(one.backward, other.backward)


def test_one_frame_has_no_motion() -> None:
    assert list(found_anew(judged(*panned(1)))) == []


def test_the_flow_of_the_flow_stage_is_read_pair_by_pair(tmp_path: Path) -> None:
    flow = {way: torch.randn(2, 2, 4, 6) for way in ("forward", "backward")}
    hidden = {f"{way}_occlusion": torch.randint(0, 2, (2, 1, 4, 6), dtype=torch.uint8) for way in flow}
    save_file(flow | hidden, tmp_path / "flow.safetensors")
    pairs = list(pair_by_pair(read_motion(tmp_path)))
    for number, pair in enumerate(pairs):
        for name, whole in (flow | hidden).items():
            assert torch.equal(getattr(pair, name), whole[number, None].float())
    assert len(pairs) == 2
