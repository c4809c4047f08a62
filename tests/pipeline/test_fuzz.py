"""Hundreds of damaged files: none may crash or hang the run, leave anything half-done or write where it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fuzzed_files
import odd_clips
import pytest
from caption_bytes import captioned

ROOT = Path(__file__).parents[2]
CASES, BATCH = 320, 80
SECONDS, CPU_SECONDS = 120, 30
"""Of a batch, by the clock and of work; measured: 5 to 7 of either on one core, 44 by the clock under load 11."""
CLIPS = {
    "a.mkv": f"{odd_clips.TONE} {odd_clips.moving(seconds=0.3)} -c:v ffv1 -c:a pcm_s16le -t 0.3",
    "b.mp4": f"{odd_clips.TONE} {odd_clips.moving(seconds=0.4)} -c:v libx264 -bf 2 -c:a aac -t 0.4",
    "c.mov": f"{odd_clips.moving(seconds=0.2)} -c:v prores_ks -timecode 01:00:00:00",
    "d.mpg": f"{odd_clips.moving(seconds=0.4)} -c:v mpeg2video -b:v 1M",
    "e.ts": f"{odd_clips.TONE} {odd_clips.moving(seconds=0.4)} -c:v libx264 -c:a mp2 -t 0.4",
    "f.avi": f"{odd_clips.TONE} {odd_clips.moving(seconds=0.4)} -c:v mpeg4 -bf 2 -c:a pcm_s16le -t 0.4",
    "g.mkv": f"-i words.srt -f ffmetadata -i chapters.txt {odd_clips.moving(seconds=0.3)} -map 2:v -map 0:s "
    "-map_chapters 1 -c:v libx265 -x265-params log-level=none -attach note.txt -metadata:s:t mimetype=text/plain",
    "h.m2v": f"{odd_clips.moving(seconds=0.8)} -c:v mpeg2video -b:v 1M -bf 0",
}
CAPTIONED = "h.m2v"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    work, clips = root / "work", root / "clips"
    work.mkdir()
    clips.mkdir()
    odd_clips.write_notes(work)
    for name, words in CLIPS.items():
        odd_clips.ffmpeg(f"{words} {name}", work)
        if name == CAPTIONED:
            captioned(work / name)
        (work / name).rename(clips / name)
    return root


def worked() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def test_every_kind_of_damage_is_among_the_cases(folder: Path) -> None:
    clips = sorted((folder / "clips").iterdir())
    ways = Counter(fuzzed_files.damaged(seed, clips)[0].split("-", 1)[1].split(".")[0] for seed in range(CASES))
    assert set(ways) == {"truncate", "flip", "flip-the-head", "splice", "zero", "repeat"} and min(ways.values()) >= 30


@pytest.mark.parametrize("first", range(0, CASES, BATCH))
def test_damaged_files_do_no_harm(folder: Path, first: int) -> None:
    place, temporary = folder / f"batch-{first}", folder / f"tmp-{first}"
    place.mkdir()
    temporary.mkdir()
    line = [sys.executable, str(ROOT / "tests/support/fuzzed_files.py"), str(place), str(first), str(first + BATCH)]
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}"}
    before = worked()
    done = subprocess.run(
        line, cwd=place, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-3000:]}"
    assert worked() - before < CPU_SECONDS
    told = json.loads(done.stdout.splitlines()[-1])
    states = {Path(source).name: state for source, state in told["videos"].items()}
    assert len(states) == BATCH and set(states.values()) <= {"done", "failed", "reused"}
    assert {outcome for _, outcome, _ in told["failures"]} <= {"failed"}, told["failures"]
    assert all("\n" not in message and Path(source).name in message for source, _, message in told["failures"])

    published = {f"{Path(name).stem}.mkv" for name, state in states.items() if state != "failed"}
    captions = {f"{Path(name).stem}.mcc" for name in published}  # a splice may bring some
    there = {path.name for path in (place / "restored").rglob("*")}
    assert published <= there <= published | captions and captions & there
    assert {path.name for path in place.iterdir()} == {"library", "restored", "workspace"}
    assert list(temporary.iterdir()) == []
    clips = sorted((folder / "clips").iterdir())
    for seed in range(first, first + BATCH):
        name, data = fuzzed_files.damaged(seed, clips)
        assert (place / "library" / name).read_bytes() == data
    assert 10 < len(published) < BATCH
