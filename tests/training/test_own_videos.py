"""Training clips out of somebody's own videos."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from training.clips import ClipDataset
from training.prepare import PrepareConfig, prepare


def video(path: Path, frames: int = 30, height: int = 120, width: int = 160, speed: int = 4) -> Path:
    """A texture that moves to the left."""
    texture = np.random.default_rng(9).integers(0, 256, (height // 6, (width + 4 * 40) // 6, 3), np.uint8)
    texture = cv2.resize(texture, (width + 4 * 40, height), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            view = np.ascontiguousarray(texture[:, speed * index : speed * index + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())
    return path


def config(videos: Path) -> PrepareConfig:
    return PrepareConfig(photo_clips=0, film=False, videos=videos, film_every=8, size=64, frames=3, shard=2)


def test_good_videos_are_used_and_the_others_are_named_and_left_out(tmp_path: Path) -> None:
    videos, lines = tmp_path / "videos", list[str]()
    video(videos / "a" / "good.mkv")
    video(videos / "better.mkv")
    video(videos / "tiny.mkv", height=48, width=64)
    video(videos / "short.mkv", frames=2)
    video(videos / "still.mkv", speed=0)
    (videos / "notes.txt").write_text("not a video")
    (videos / "empty.mkv").touch()
    (videos / ".hidden").write_text("nobody's business")
    index = prepare(tmp_path / "out", config(videos), report=lines.append)
    assert sum(shard["clips"] for shard in index["shards"]) == 8
    left_out = {line.split(":")[0]: line for line in lines if "left out" in line}
    assert set(left_out) == {"tiny.mkv", "short.mkv", "still.mkv", "notes.txt", "empty.mkv"}
    assert "64x48 is too small for clips of 64 pixels" in left_out["tiny.mkv"]
    assert "too short" in left_out["short.mkv"] and "still" in left_out["still.mkv"]
    assert all("\n" not in line for line in lines)
    records = [
        r for n in range(4) for r in json.loads((tmp_path / "out" / f"video-{n:04d}.json").read_text())["records"]
    ]
    assert {record["film"] for record in records} == {"a/good.mkv", "better.mkv"}
    assert ClipDataset(tmp_path / "out", seed=0)[0][1].shape == (3, 3, 64, 64)


def test_a_video_that_breaks_off_is_used_up_to_there(tmp_path: Path) -> None:
    videos, lines = tmp_path / "videos", list[str]()
    whole = video(videos / "broken.mkv")
    content = whole.read_bytes()
    broken = bytearray(content)
    middle = len(content) // 2
    broken[middle:] = bytes(len(content) - middle)
    whole.write_bytes(bytes(broken))
    index = prepare(tmp_path / "out", config(videos), report=lines.append)
    assert 1 <= sum(shard["clips"] for shard in index["shards"]) < 4


def test_resuming_keeps_what_is_whole_and_another_video_is_noticed(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    video(videos / "one.mkv")
    prepare(out, config(videos), report=lambda line: None)
    first = out / "video-0000.safetensors"
    made = first.stat().st_mtime_ns
    prepare(out, config(videos), report=lambda line: None)
    assert first.stat().st_mtime_ns == made
    video(videos / "another.mkv", frames=20)
    index = prepare(out, config(videos), report=lambda line: None)
    assert first.stat().st_mtime_ns != made
    assert sum(shard["clips"] for shard in index["shards"]) == 4 + 3
    assert {entry["kind"] for entry in json.loads((out / "sources.json").read_text())} == {"own"}


def test_no_folder_an_empty_one_and_one_without_clips_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        prepare(tmp_path / "out", config(tmp_path / "absent"))
    (tmp_path / "videos").mkdir()
    with pytest.raises(ValueError, match="videos: is empty; put videos into it"):
        prepare(tmp_path / "out", config(tmp_path / "videos"))
    (tmp_path / "videos" / "notes.txt").write_text("not a video")
    lines: list[str] = []
    with pytest.raises(ValueError, match=r"none of its 1 files gives a clip; 64 pixels need .* 96 pixels"):
        prepare(tmp_path / "out", config(tmp_path / "videos"), report=lines.append)
    assert any(line.startswith("notes.txt: left out: ") for line in lines)
    assert not (tmp_path / "out" / "index.json").exists()
    with pytest.raises(ValueError, match="nothing to make clips of"):
        prepare(tmp_path / "out", PrepareConfig(photo_clips=0, film=False))


def test_a_folder_prepared_before_there_were_own_videos_is_still_accepted(tmp_path: Path) -> None:
    video(tmp_path / "videos" / "one.mkv")
    chosen = config(tmp_path / "videos").model_copy(update={"videos": None, "photo_clips": 1})
    stored = chosen.model_dump(mode="json")
    del stored["videos"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    from training.prepare import _claim

    _claim(tmp_path, chosen)
    with pytest.raises(ValueError, match="another configuration"):
        _claim(tmp_path, chosen.model_copy(update={"seed": 5}))


def test_a_video_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    videos, lines = tmp_path / "videos", list[str]()
    video(videos / "good.mkv")
    # It can be opened, and reading its first byte fails, for root too: as a file on a broken disk.
    (videos / "bad.mkv").symlink_to("/proc/self/mem")
    index = prepare(tmp_path / "out", config(videos), report=lines.append)
    assert sum(shard["clips"] for shard in index["shards"]) == 4
    assert any(line.startswith("bad.mkv: left out: ") for line in lines)
    listed = json.loads((tmp_path / "out" / "sources.json").read_text())
    assert [Path(entry["file"]).name for entry in listed] == ["good.mkv"]


def test_a_folder_that_is_being_cut_anew_is_not_a_finished_one(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    video(videos / "one.mkv")
    prepare(out, config(videos), report=lambda line: None)
    video(videos / "another.mkv", frames=20)

    def interrupted(line: str) -> None:
        if line.startswith("cut clips"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(out, config(videos), report=interrupted)
    with pytest.raises(ValueError, match=r"no index\.json"):
        ClipDataset(out, seed=0)
