"""Excerpts of odd clips: some frames of the middle, and the sound that goes with them."""

from __future__ import annotations

from pathlib import Path

import av
import odd_clips
import pytest
from whole_jobs import write_clip

from jobs.excerpt import excerpt
from jobs.options import ExecutorName
from jobs.trial import restore_excerpts
from pipeline.config import RunConfig
from pipeline.planning.probe import Probe
from pipeline.sources import expand
from stages.contract import ItemError


@pytest.mark.parametrize(
    ("name", "frames", "audio"),
    [
        ("many-tracks.mkv", 8, 3),
        ("edit-repeats.mp4", 8, 1),
        ("captions.m2v", 8, 0),
        ("breaks-off.mkv", 6, 0),
        ("slow.mkv", 1, 0),
        ("sizes.ts", 8, 0),
    ],
)
def test_an_odd_clip_has_an_excerpt(tmp_path: Path, name: str, frames: int, audio: int) -> None:
    source, target = odd_clips.make(name, tmp_path), tmp_path / "excerpt.mkv"
    assert excerpt(source, target, 0.3) == frames
    with av.open(str(target)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert len(times) == frames and times[0] == 0
        assert len(container.streams.audio) == audio
    for index in range(audio):
        with av.open(str(target)) as container:
            sounds = list(container.decode(audio=index))
        assert 0 <= sounds[0].time < 0.1
        assert sum(each.samples / each.sample_rate for each in sounds) == pytest.approx(frames / 25, abs=0.1)
    assert [path.name for path in tmp_path.glob("*excerpt*")] == ["excerpt.mkv"]


def test_a_film_that_breaks_off_early_has_an_excerpt_of_what_is_there(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "film.mkv", frames=60)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 4])
    with av.open(str(source)) as container:
        assert container.duration == 60 / 25 * av.time_base  # as its header still says
    assert excerpt(source, tmp_path / "excerpt.mkv", 0.2) == 5


def test_a_video_of_which_none_can_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise av.error.ExternalError(1, "Generic error in an external library")

    monkeypatch.setattr("jobs.excerpt._add_sound", refuse)
    source = write_clip(tmp_path / "film.mkv", frames=2)
    with pytest.raises(ItemError, match=r"^film\.mkv: no excerpt can be made of it \(Generic error"):
        excerpt(source, tmp_path / "excerpt.mkv", 0.1)


def test_a_sample_goes_on_without_a_video_of_which_none_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, *given: object) -> int:
        raise ItemError(f"{path.name}: no excerpt can be made of it")

    monkeypatch.setattr("jobs.trial.excerpt", refuse)
    for name in ("a", "b"):
        write_clip(tmp_path / "lib" / f"{name}.mkv", frames=2)
    rows = expand([tmp_path / "lib"])
    found = [Probe(row.shown, row.output, row.size, frames=2) for row in rows]
    sampled = restore_excerpts(rows, found, 0.1, 2, tmp_path / "sample", RunConfig(), ExecutorName.local)
    assert sampled == (None, False)
    told = capsys.readouterr().err
    assert all(f"{name}.mkv: no excerpt could be made" in told for name in "ab") and "nothing was measured" in told
