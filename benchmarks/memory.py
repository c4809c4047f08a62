"""Whether memory grows with the length of a video: the peak of every process of a run on Ray, for two lengths.

    python -m benchmarks.memory [--seconds 30 300] [--json benchmarks/results/memory.json]

Split, assemble and everything between the stages are real; flow, sample and decode are those of ``enlarging_stages``.
A peak is the largest resident memory that Linux has seen of a process (VmHWM), shared pages included. The manifest
tells which process did what stage's work; of several processes the largest counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.enlarging_stages import enlarging_stages
from benchmarks.record import write_result
from pipeline import manifest
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from pipeline.storage import Storage

SIZE, RATE = (426, 240), 25
SCENE_SECONDS = 10
ALLOWED = 1.15
OURS = ("driver", "split", "flow", "sample", "decode", "assemble", "ffmpeg", "collector")
"""What must not grow. Ray's own servers are shown, not judged."""


def make_clip(path: Path, seconds: int) -> Path:
    """Write a clip with sound whose picture moves, and which is cut every ten seconds."""
    random = np.random.default_rng(1)
    width, height = SIZE
    small = random.integers(0, 255, (8, height // 8, width // 8 + 8, 3), np.uint8)
    scenes = [scene.repeat(8, 0).repeat(8, 1) for scene in small]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        for number in range(seconds * RATE):
            scene = scenes[number // (SCENE_SECONDS * RATE) % len(scenes)]
            shift = number % 64
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(scene[:height, shift : shift + width]), format="rgb24"
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for start in range(0, seconds * 48000, 1024):
            tone = np.sin(np.arange(start, start + 1024) * 0.05).astype(np.float32)[None] * 0.3
            piece = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


def restore(clip: Path, folder: Path) -> None:
    """Take the clip through the pipeline on Ray (in a process of its own: the driver)."""
    config = RunConfig()
    executor = RayExecutor(config.pools)
    try:
        report = run(
            config, [clip], folder / "restored", folder / "workspace", executor, stages=enlarging_stages(config)
        )
    finally:
        executor.close()
    if not report.ok:
        raise SystemExit(f"the run failed: {report.summary()}: {report.failures[0].message}")


def measure(seconds: int) -> dict[str, Any]:
    """Return the time it took and role -> peak in MiB for a clip of this length."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clip = make_clip(folder / "clip.mkv", seconds)
        begun = time.monotonic()
        words = [sys.executable, "-m", "benchmarks.memory", "--restore", str(clip), str(folder)]
        driver = subprocess.Popen(words)
        titles: dict[int, str] = {}
        peaks: dict[int, int] = {}
        while driver.poll() is None:
            for process, title, peak in observe(driver.pid):
                if "IDLE" not in title or process not in titles:
                    titles[process] = title
                peaks[process] = max(peak, peaks.get(process, 0))
            time.sleep(0.25)
        if driver.returncode:
            raise SystemExit("the run failed")
        stages = workers(folder / "workspace")
        roles: dict[str, int] = {}
        for process, peak in peaks.items():
            role = "driver" if process == driver.pid else stages.get(process) or role_of(titles[process])
            roles[role] = max(peak, roles.get(role, 0))
        return {
            "seconds_of_video": seconds,
            "frames": seconds * RATE,
            "seconds": round(time.monotonic() - begun, 1),
            "peak_mib": {role: round(peak / 1024, 1) for role, peak in sorted(roles.items())},
        }


def observe(root: int) -> Iterator[tuple[int, str, int]]:
    """Yield (process, command line, peak in KiB) of ``root`` and all that come from it."""
    parents, facts = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
            title = (place / "cmdline").read_text().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "VmHWM" in status:
            parents[int(place.name)] = int(status["PPid"])
            facts[int(place.name)] = (title, int(status["VmHWM"].split()[0]))
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    for process in family & facts.keys():
        yield process, *facts[process]


def workers(workspace: Path) -> dict[int, str]:
    """Return process -> stage, as the manifest tells."""
    found: dict[int, str] = {}
    for table in manifest.read(Storage(workspace), "events", ("worker", "stage")):
        for worker, stage in zip(table["worker"].to_pylist(), table["stage"].to_pylist(), strict=True):
            if worker:
                found[int(worker.rpartition(":")[2])] = stage
    return found


def role_of(title: str) -> str:
    """Return what a process that no stage owns is there for."""
    if title.startswith("ray::"):
        name = title.removeprefix("ray::").partition(".")[0].partition("(")[0].lower()
        return name if name == "collector" else f"ray: {name}"
    program = title.split(" ")[0].rpartition("/")[2]
    if "ffmpeg" in program:
        return "ffmpeg"
    if program.startswith("python"):
        script = next((word for word in title.split(" ")[1:] if word.endswith(".py")), "")
        program = "/".join(script.split("/")[-2:]) or program
    return f"ray: {program}"


def compare(short: dict[str, Any], long: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per role that both runs had."""
    rows = []
    for role, peak in short["peak_mib"].items():
        later = long["peak_mib"].get(role)
        if later is not None:
            rows.append({"process": role, "short_mib": peak, "long_mib": later, "ratio": round(later / peak, 3)})
    return sorted(rows, key=lambda row: (row["process"] not in OURS, row["process"]))


def main(words: list[str] | None = None) -> int:
    """Measure both lengths; the exit code is 1 if a process of ours grew by more than 15 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", nargs=2, type=int, default=[30, 300], help="lengths of the two clips")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "memory.json")
    parser.add_argument("--restore", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.restore:
        restore(*given.restore)
        return 0
    short, long = (measure(seconds) for seconds in given.seconds)
    rows = compare(short, long)
    print(f"{'process':<34}{given.seconds[0]:>7} s{given.seconds[1]:>7} s  ratio")
    for row in rows:
        mark = "" if row["process"] in OURS else "  (not ours)"
        print(f"{row['process']:<34}{row['short_mib']:>9.1f}{row['long_mib']:>9.1f}{row['ratio']:>7.2f}{mark}")
    grown = [row["process"] for row in rows if row["process"] in OURS and row["ratio"] > ALLOWED]
    print(f"grown by more than {ALLOWED - 1:.0%}: {', '.join(grown) or 'none'}")
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    result = {"machine": machine, "size": SIZE, "allowed": ALLOWED, "runs": [short, long], "rows": rows, "grown": grown}
    write_result(given.json, result)
    return 1 if grown else 0


if __name__ == "__main__":
    raise SystemExit(main())
