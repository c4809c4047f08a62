"""Which frames are filtered with which, and along which flow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.temporal_filter import Neighbour
from stages.decode import filtering
from stages.decode.filtering import filtered_frames


def write_flow(folder: Path, frames: int) -> Path:
    numbers = torch.arange(frames - 1.0).view(-1, 1, 1, 1)
    parts = {"forward": numbers.expand(-1, 2, 2, 2) + 100, "backward": numbers.expand(-1, 2, 2, 2) + 200}
    hidden = {f"{way}_occlusion": torch.zeros(frames - 1, 1, 2, 2, dtype=torch.uint8) for way in parts}
    save_file({name: part.contiguous() for name, part in (parts | hidden).items()}, folder / "flow.safetensors")
    return folder


def test_each_frame_meets_its_neighbours_as_they_were_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met = []

    def noted(frame: torch.Tensor, neighbours: list[Neighbour], weight: float) -> torch.Tensor:
        met.append([(float(each.frame.mean()), float(each.flow.mean())) for each in neighbours])
        return frame - 1

    monkeypatch.setattr(filtering, "temporal_filter", noted)
    frames = (torch.full((3, 16, 16), number / 10) for number in range(3))
    found = [round(float(frame.mean()), 3) for frame in filtered_frames(frames, write_flow(tmp_path, 3), 0.5)]
    assert found == [-1.0, -0.9, -0.8]
    expected = [[(0.1, 100)], [(0.0, 200), (0.2, 101)], [(0.1, 201)]]
    assert met == [[pytest.approx(each) for each in frame] for frame in expected]


def test_a_chunk_of_one_frame_has_no_neighbours(tmp_path: Path) -> None:
    parts = {name: torch.zeros(0, 2, 2, 2) for name in ("forward", "backward")}
    save_file(
        {**parts, **{f"{way}_occlusion": torch.zeros(0, 1, 2, 2) for way in parts}}, tmp_path / "flow.safetensors"
    )
    (frame,) = filtered_frames(iter([torch.full((3, 16, 16), 0.25)]), tmp_path, 1.0)
    assert torch.equal(frame, torch.full((3, 16, 16), 0.25))


def test_without_weight_no_flow_is_read(tmp_path: Path) -> None:
    frames = [torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]
    assert list(filtered_frames(iter(frames), tmp_path / "none", 0.0)) == frames


def test_no_frame_is_lost_where_the_flow_is_too_short(tmp_path: Path) -> None:
    frames = filtered_frames(iter(torch.zeros(4, 3, 16, 16)), write_flow(tmp_path, 3), 1.0)
    with pytest.raises(IndexError):
        list(frames)
