"""Whole jobs through the command line: small clips, the line that restores them, and what the result must be.

Everything is judged with PyAV and the files alone, not with the product's own checks.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).parents[2]

TINY = {
    "scale": "2",
    "flow.estimator": "dis",
    "sample.initial_estimate": "bicubic",
    "sample.steps": "2",
    "split.chunk_frames": "8",
    "split.overlap_frames": "2",
    "runtime.threads": "1",
}
"""Settings under which a job on a small clip is done in a second, loading torch aside."""


@dataclass(frozen=True)
class Line:
    """One command line of ``restore``; run as often as wanted."""

    inputs: Sequence[str | Path]
    output: str | Path
    workspace: str | Path
    model: Path
    executor: str = "local"
    settings: dict[str, str] = field(default_factory=dict)
    more: Sequence[str] = ()
    program: Sequence[str] = (sys.executable, "-m", "jobs.restore")

    @property
    def words(self) -> list[str]:
        """The line, word by word; inputs stand last, after ``--``, so that their names may begin with a dash."""
        settings = {**TINY, "model": str(self.model), **self.settings}
        pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        places = ["--output", str(self.output), "--workspace", str(self.workspace)]
        options = [*places, "--executor", self.executor, *pairs, *self.more]
        return [*self.program, *options, "--", *map(str, self.inputs)]

    def run(
        self, cwd: Path = ROOT, seconds: float = 300, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; where no environment is given, on no cluster."""
        env = env or environment()
        return subprocess.run(
            self.words, cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds, check=False
        )

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start it; what it says goes to the end of ``log``."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self.words, cwd=ROOT, env=environment(), stdout=out, stderr=out, preexec_fn=_hear_interrupts
            )

    def start_until(self, artifacts: int, log: Path) -> subprocess.Popen[bytes]:
        """Start it, and return when that many artifacts are committed, while it goes on."""
        process = self.start(log)
        while process.poll() is None and len(committed(Path(self.workspace))) < artifacts:
            time.sleep(0.005)
        assert process.poll() is None, log.read_text()
        return process


def _hear_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so would everything that the tests start there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def environment() -> dict[str, str]:
    """This process's environment without a cluster's address, and with a terminal that wraps nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "400", "RAY_USAGE_STATS_ENABLED": "0"}


def status(workspace: Path) -> dict[str, Any]:
    """What ``status --json`` says, without a process of its own."""
    from pipeline.status import status as read_status

    said: dict[str, Any] = json.loads(json.dumps(read_status(workspace)))
    return said


def write_clip(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (48, 32),
    codec: str = "ffv1",
    rate: Fraction = Fraction(25),
    cut: int | None = None,
    audio: str | None = None,
    seed: int = 1,
) -> Path:
    """Write a clip with a texture that moves one sample a frame, and another texture from frame ``cut`` on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    random = np.random.default_rng(seed)
    textures = [random.integers(low, low + 120, (height, width + frames, 3), np.uint8) for low in (0, 130)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"threads": "1"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        sound = container.add_stream(audio, rate=48000) if audio else None
        for number in range(frames):
            texture = textures[cut is not None and number >= cut]
            view = np.ascontiguousarray(texture[:, number : number + width])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_tone(container, sound, int(48000 * frames / rate))
    return path


def _write_tone(container: Any, stream: Any, samples: int) -> None:
    wave = np.sin(np.arange(samples) * 0.05).astype(np.float32)[None] * 0.3
    for start in range(0, samples, 1024):
        part = wave[:, start : start + 1024]
        if stream.format.name.startswith("flt"):
            frame = av.AudioFrame.from_ndarray(part.copy(), format="fltp", layout="mono")
        else:
            frame = av.AudioFrame.from_ndarray((part * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class Content:
    """What PyAV finds in a file: times of the decoded pictures, their size and MD5, the bytes of every audio packet."""

    times: list[Fraction]
    size: tuple[int, int]
    md5: list[str]
    audio: list[list[bytes]]


def content(path: Path) -> Content:
    """Decode the first video stream of a file and read its audio packets."""
    times, md5, size = [], [], (0, 0)
    with av.open(f"file:{path.absolute()}") as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            times.append(frame.pts * frame.time_base)
            md5.append(hashlib.md5(b"".join(_samples(frame))).hexdigest())
            size = (frame.width, frame.height)
    with av.open(f"file:{path.absolute()}") as container:
        found: dict[int, list[bytes]] = {each.index: [] for each in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if found else ():
            if packet.size:
                found[packet.stream.index].append(bytes(packet))
    return Content(times, size, md5, list(found.values()))


def _samples(frame: av.VideoFrame) -> Iterator[bytes]:
    """The samples of each plane, row by row, without the padding at the rows' ends."""
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        yield rows[:, : plane.width * (1 + (component.bits > 8))].tobytes()


def check_restored(source: Path, restored: Path, scale: float = 2) -> None:
    """Frames out = frames in, each at its time (Matroska counts milliseconds), audio bit for bit, MD5s true."""
    before, after = content(source), content(restored)
    assert len(after.times) == len(before.times)
    assert all(abs(new - old) * 1000 <= Fraction(1, 2) for new, old in zip(after.times, before.times, strict=True))
    assert after.size == tuple(round(side * scale) for side in before.size)
    assert after.audio == before.audio
    assert framemd5(restored.with_suffix(".framemd5")) == after.md5


def framemd5(path: Path) -> list[str]:
    """The MD5s of the pictures that a framemd5 file lists."""
    rows = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [row[-1].strip() for row in rows if row[0].strip() == "0"]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restored(folder: Path) -> dict[str, bytes]:
    """Every file of an output folder but the accounts of the making, which have times and machines in them.

    Its bytes are compared: stronger than comparing framemd5 files, which are among them.
    """
    accounts = (".provenance.json", ".premis.xml", ".sha256")
    return {name: data for name, data in tree(folder).items() if not name.endswith(accounts)}


def published(folder: Path) -> dict[str, str]:
    """Place -> content of every framemd5 file of an output folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.framemd5")}


def events(workspace: Path) -> list[dict[str, Any]]:
    """All rows of the manifest's table ``events``, sealed out or not."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    for part in sorted((workspace / "manifest" / "events").glob("*.parquet")):
        rows += pq.read_table(part).to_pylist()
    return rows


def committed(workspace: Path) -> dict[str, tuple[int, int]]:
    """Every committed artifact and the file that says so: its inode and time, which change if it is written again."""
    found = {}
    for record in workspace.glob("artifacts/*/*/*/artifact.json"):
        facts = record.stat()
        found[record.parent.relative_to(workspace).as_posix()] = (facts.st_ino, facts.st_mtime_ns)
    return found


def simulated(videos: Sequence[Path], folder: Path) -> dict[str, bytes]:
    """What an unbroken run of the simulated stages publishes of these videos."""
    from benchmarks.simulated_stages import Simulation
    from pipeline.config import RunConfig
    from pipeline.run import run

    assert run(RunConfig(), videos, folder / "expected", folder / "unbroken", stages=Simulation().factories()).ok
    return tree(folder / "expected")


def toll(workspace: Path, before: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """How many of the artifacts that were committed ``before`` are gone now, and how many have been made again."""
    now = committed(workspace)
    return sum(name not in now for name in before), sum(now.get(name, was) != was for name, was in before.items())


def made_twice(workspace: Path) -> list[tuple[str, ...]]:
    """(stage, video, chunk, fingerprint) of everything that was made more often than it was lost."""
    made: Counter[tuple[str, ...]] = Counter()
    lost: Counter[tuple[str, str]] = Counter()
    for event in events(workspace):
        key = (event["stage"], event["fingerprint"])
        if event["outcome"] == "done":
            made[(*key, event["video"], str(event["chunk"]))] += 1
        elif event["outcome"] == "damaged":
            lost[key] += 1
    return [key for key, count in made.items() if count > 1 + lost[(key[0], key[1])]]
