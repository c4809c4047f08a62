"""A library of files as they come: broken, empty, odd, and with names that shells and tools stumble over.

One run takes them all. What cannot be restored ends as one line for that file; all else is restored.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from whole_jobs import ROOT, Line, check_restored, content, environment, restored, status, write_clip

pytestmark = pytest.mark.slow

NAMES = [
    "with space.mkv",
    "Größe über alles.mkv",
    "%03d.mkv",
    'it\'s "quoted".mkv',
    "-dash.mkv",
    "[1-3]*?.mkv",
    "no suffix left.final.mkv",
    "$(touch oops); x.mkv",
]
SIZES = {"one frame.mkv": (1, (48, 32)), "two frames.mkv": (2, (48, 32)), "odd size.mkv": (3, (175, 143))}
BROKEN = {
    "empty.mp4": "the file is empty",
    "text.mp4": r"cannot be opened as a video \(.+\); play it to see if it is whole",
    "noise.mkv": r"cannot be opened as a video \(.+\); play it",
    "audio only.mkv": r"no video stream \(streams: audio\); give a file with video",
    "no index.mp4": r"cannot be opened as a video \(.+\); play it",
    "gone.mkv": "no such file; check the path",
    "broken link.mkv": "no such file; check the path",
    "loop.mkv": "a link that leads in a circle; let it lead to the file",
    "caf\\xe9.mkv": "its name is not UTF-8; rename it",
    "pipe.mkv": "not a file; give a file, a folder, a glob or a URL",
}


def make_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_library(folder: Path) -> None:
    for seed, name in enumerate(NAMES):
        write_clip(folder / name, frames=2, seed=seed)
    for seed, (name, (frames, size)) in enumerate(SIZES.items(), 100):
        write_clip(folder / name, frames=frames, size=size, seed=seed)
    whole = write_clip(folder.parent / "whole.mkv", frames=12, seed=200).read_bytes()
    (folder / "cut off.mkv").write_bytes(whole[: len(whole) * 6 // 10])
    index_last = write_clip(folder.parent / "whole.mp4", frames=12, codec="libx264", seed=201).read_bytes()
    (folder / "no index.mp4").write_bytes(index_last[: len(index_last) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is no video, whatever its name says.\n" * 50)
    (folder / "noise.mkv").write_bytes(np.random.default_rng(9).bytes(5000))
    make_audio(folder / "audio only.mkv")
    (folder / "broken link.mkv").symlink_to(folder / "nowhere.mkv")
    (folder / "loop.mkv").symlink_to("loop.mkv")
    write_clip(folder.parent / "latin.mkv", frames=2).rename(folder / os.fsdecode(b"caf\xe9.mkv"))
    os.mkfifo(folder / "pipe.mkv")


@dataclass(frozen=True)
class Job:
    """The library after one run."""

    library: Path
    output: Path
    workspace: Path
    done: subprocess.CompletedProcess[str]
    messages: dict[str, str]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Job:
    root = tmp_path_factory.mktemp("bad files")
    library = root / "library"
    library.mkdir()
    make_library(library)
    line = Line([library, library / "gone.mkv"], root / "restored", root / "workspace", model, more=["--json"])
    done = line.run()
    assert done.returncode == 2, done.stderr
    failures = json.loads(done.stdout)["failures"]
    messages = {Path(failure["source"]).name: failure["message"] for failure in failures}
    assert len(messages) == len(failures)
    return Job(library, root / "restored", root / "workspace", done, messages)


def test_every_broken_file_fails_and_nothing_else_does(job: Job) -> None:
    assert set(job.messages) == set(BROKEN)
    good = len(NAMES) + len(SIZES) + 1
    said = job.done.stderr
    assert (
        f"{good + len(BROKEN)} videos: {good} restored, 1 of them damaged at the source, {len(BROKEN)} failed (" in said
    )
    assert status(job.workspace)["videos"] == {
        "total": good + len(BROKEN),
        "done": good,
        "failed": len(BROKEN),
        "left": 0,
    }


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_explained_in_one_line_that_names_it(job: Job, name: str) -> None:
    message = job.messages[name]
    assert re.search(BROKEN[name], message) and name in message and "\n" not in message
    assert name in job.done.stderr and not (job.output / Path(name).stem).with_suffix(".mkv").exists()


def test_no_traceback_is_shown(job: Job) -> None:
    assert "Traceback" not in job.done.stderr and "Error:" not in job.done.stderr


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_is_too_strange(job: Job, name: str) -> None:
    check_restored(job.library / name, job.output / name)
    assert not (Path.cwd() / "oops").exists()


@pytest.mark.parametrize("name", SIZES)
def test_the_shortest_and_the_oddest_clip_is_restored(job: Job, name: str) -> None:
    frames, (width, height) = SIZES[name]
    check_restored(job.library / name, job.output / name)
    restored = content(job.output / name)
    assert len(restored.times) == frames and restored.size == (2 * width, 2 * height)


def test_of_a_file_that_breaks_off_what_can_be_read_is_restored(job: Job) -> None:
    whole, restored = content(job.library.parent / "whole.mkv"), content(job.output / "cut off.mkv")
    assert 0 < len(restored.times) < len(whole.times)
    missing = re.search(r"cut off.mkv: restored as far as it can be read: (.+)", job.done.stderr)
    assert missing and f"at {float(restored.times[-1]):.3f} s" in missing[1] and "bytes of it are missing" in missing[1]
    assert restored.times == whole.times[: len(restored.times)]


def test_status_names_the_damaged_source_and_what_is_missing(job: Job) -> None:
    damage = status(job.workspace)["damage"]
    assert list(damage) == [str(job.library / "cut off.mkv")]
    assert "bytes of it are missing" in damage[str(job.library / "cut off.mkv")]
    words = [sys.executable, "-m", "jobs.status", str(job.workspace)]
    said = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=True)
    assert "restored, 1 of them damaged at the source, " in said.stdout.splitlines()[0]
    (row,) = [line for line in said.stdout.splitlines() if "bytes of it are missing" in line]
    assert "cut off.mkv" in row


def test_a_name_that_begins_with_a_dash_can_be_given_by_itself(job: Job, tmp_path: Path, model: Path) -> None:
    line = Line(["-dash.mkv"], tmp_path / "restored", tmp_path / "workspace", model)
    done = line.run(cwd=job.library)
    assert done.returncode == 0, done.stderr
    assert sorted(restored(tmp_path / "restored")) == ["-dash.framemd5", "-dash.mkv"]


def test_failures_may_be_accepted_by_who_would_start_the_line_again(tmp_path: Path, model: Path) -> None:
    write_clip(tmp_path / "library" / "good.mkv", frames=2)
    (tmp_path / "library" / "empty.mp4").touch()
    line = Line([tmp_path / "library"], tmp_path / "restored", tmp_path / "work", model, more=["--accept-failures"])
    done = line.run()
    assert done.returncode == 0 and "2 videos: 1 restored, 1 failed" in done.stderr, done.stderr
    assert "the file is empty" in done.stderr
    assert status(tmp_path / "work")["videos"] == {"total": 2, "done": 1, "failed": 1, "left": 0}
    line.inputs[0].rename(tmp_path / "elsewhere")
    assert line.run().returncode == 1, "a call that is wrong is no failed video"
