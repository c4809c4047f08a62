from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whole_jobs import events

from benchmarks.simulated_stages import Simulation
from pipeline.config import Pools, RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.report import RunReport
from pipeline.status import status

pytestmark = pytest.mark.slow
Restore = Callable[..., RunReport]


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    found = RayExecutor(Pools.model_validate({"sample": {"min": 2}}))
    yield found
    found.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ray_gives_the_bytes_of_local_and_does_nothing_twice(
    restore: Restore, executor: RayExecutor, tmp_path: Path, library: Path
) -> None:
    (library / "copy.mp4").write_text("25 one")
    report = restore(executor=executor)
    assert report.ok and report.stages["sample"] == {"done": 6, "reused": 3}
    restore(workspace=tmp_path / "local", output=tmp_path / "expected")
    assert tree(tmp_path / "restored") == tree(tmp_path / "expected")
    artifacts = "workspace/artifacts", "local/artifacts"
    assert tree(tmp_path / artifacts[0]) == tree(tmp_path / artifacts[1])
    (tmp_path / "journal").unlink()
    again = restore(executor=executor)
    assert again.count("reused") == 4 and again.computed() == 0 and not (tmp_path / "journal").exists()


def test_items_that_kill_their_workers_are_given_up_and_no_neighbour_is_charged(
    restore: Restore, executor: RayExecutor, tmp_path: Path
) -> None:
    """In split the one video of three chunks, in assemble the others; in sample: tests/chaos, on a cluster."""
    simulation = Simulation(
        journal=tmp_path / "journal",
        faults={("split", 2): "die", ("assemble", -1): "die"},
        setup_seconds={"assemble": 3.0},  # so long a dead assemble worker answers every call with an error
    )
    config = RunConfig.model_validate({"limits": {"attempts": 2}})
    report = restore(simulation, executor=executor, config=config)
    assert sorted(report.videos.values()) == ["failed"] * 3
    assert {(f.outcome, f.error_class, f.attempts) for f in report.failures} == {("gave_up", "WorkerDied", 2)}
    assert Counter(failure.stage for failure in report.failures) == {"split": 1, "assemble": 2}
    journal = Counter((tmp_path / "journal").read_text().splitlines())
    deadly = [count for line, count in journal.items() if line.startswith(("split 2 ", "assemble -1 "))]
    assert deadly == [2] * 3 and report.stages["split"]["died"] == 2 and report.stages["assemble"]["died"] == 4
    again = restore(executor=executor)
    assert again.ok and status(str(tmp_path / "workspace"))["videos"]["failed"] == 0


def test_every_kind_of_attempt_is_a_row_and_is_charged_as_it_should(
    restore: Restore, executor: RayExecutor, tmp_path: Path, library: Path
) -> None:
    faults = {("flow", 0): "once", ("sample", 0): "device", ("decode", 2): "hang"}
    simulation = Simulation(journal=tmp_path / "journal", faults=faults, seconds={"sample": 0.3})
    limits = {"attempts": 2, "timeouts": {"decode": 2.0}}
    config = RunConfig.model_validate({"limits": limits})
    report = restore(simulation, executor=executor, config=config, inputs=[library / "a"])
    assert report.ok
    rows = events(tmp_path / "workspace")
    told = {
        (row["stage"], row["chunk"]): [
            (each["outcome"], each["attempt"], each["error_class"])
            for each in sorted(rows, key=lambda each: each["attempt"])
            if (each["stage"], each["chunk"]) == (row["stage"], row["chunk"])
        ]
        for row in rows
    }
    assert told["flow", 0] == [("retried", 1, "RuntimeError"), ("done", 2, "")]
    assert told["sample", 0] == [("retried", 1, "RuntimeError"), ("done", 2, "")]
    assert told["decode", 2] == [("timed_out", 1, "TimedOut"), ("done", 2, "")]
    (hung,) = (row for row in rows if row["outcome"] == "timed_out")
    assert "limits.timeouts.decode" in hung["message"] and "simulated_stages.py" in hung["traceback"]
    assert hung["seconds"] >= 2.0
    tried = {row["attempt"]: row["worker"] for row in rows if (row["stage"], row["chunk"]) == ("sample", 0)}
    assert tried[1] != tried[2], "the second attempt is another worker's"
    first = [row for row in rows if row["stage"] == "sample" and row["worker"] == tried[1]]
    assert max(first, key=lambda row: row["recorded"])["outcome"] == "retried", "a worker without a device went on"
    for row in rows:
        assert row["node"] and row["worker"] and row["started"] and row["id"]
        assert (row["bytes"] > 0) == (row["outcome"] == "done" and row["chunk"] >= 0) or row["stage"] == "assemble"
    restore(workspace=tmp_path / "local", output=tmp_path / "expected", inputs=[library / "a"])
    assert tree(tmp_path / "restored") == tree(tmp_path / "expected")


def test_what_is_given_up_says_what_its_last_attempt_raised_or_where_it_hung(
    restore: Restore, executor: RayExecutor, tmp_path: Path, library: Path
) -> None:
    (library / "three.mov").unlink()
    simulation = Simulation(faults={("sample", 1): "device", ("decode", 0): "hang"})  # without a journal, every time
    config = RunConfig.model_validate({"limits": {"attempts": 2, "timeouts": {"decode": 2.0}}})
    report = restore(simulation, executor=executor, config=config)
    raised, hung = ([each for each in report.failures if each.stage == stage] for stage in ("sample", "decode"))
    assert len(raised) == len(hung) == 2
    for failure in raised:
        assert (failure.outcome, failure.error_class, failure.attempts) == ("gave_up", "RuntimeError", 2)
        assert failure.message.startswith("CUDA error") and "simulated_stages.py" in failure.traceback
    for failure in hung:
        assert (failure.outcome, failure.error_class, failure.attempts) == ("gave_up", "TimedOut", 2)
        assert failure.message.endswith("took too long") and "simulated_stages.py" in failure.traceback
    outcomes = Counter((row["stage"], row["outcome"]) for row in events(tmp_path / "workspace"))
    assert outcomes["sample", "retried"] == outcomes["sample", "gave_up"] == 2
    assert outcomes["decode", "gave_up"] == 2 and outcomes["decode", "timed_out"] == 4


def test_split_stops_ahead_when_the_space_is_used_up(
    restore: Restore, executor: RayExecutor, tmp_path: Path, library: Path
) -> None:
    for path in (library / "a" / "one.mp4", library / "two.mp4", library / "three.mov"):
        path.unlink()
    for number in range(12):
        (library / f"{number}.mp4").write_text(f"30 {number}")
    simulation = Simulation(seconds={"sample": 0.2}, bytes=1000)  # a chunk takes 4000 when it is done, a video 12000
    config = RunConfig.model_validate({"limits": {"scratch_bytes": 14_000, "ahead": 1000}})
    report = restore(simulation, executor=executor, config=config)
    assert report.ok
    assert not list((tmp_path / "workspace" / "artifacts").glob("sample/*/*")), "published, and their chunks are here"
    held, found = Counter[str](), []
    for row in sorted(events(tmp_path / "workspace"), key=lambda row: row["recorded"]):
        if row["chunk"] >= 0:
            found += [held.total()] if row["stage"] == "split" else []
            held[row["video"]] += row["bytes"]
        elif row["stage"] == "assemble":
            held.pop(row["video"])
    # A chunk is split where there is room. While that is done, a few others may get on.
    assert len(found) == 36 and max(found) < 14_000 + 8_000, found


def test_a_failed_set_up_ends_the_run_in_one_line(restore: Restore, tmp_path: Path) -> None:
    script = f"""
import threading
from pathlib import Path
import ray
from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from pipeline.wrapper import SetupError
shutdown = ray.shutdown
def tell():
    # Whoever still calls Ray while it is shut down may take the whole process with it.
    harmless = {{"MainThread", "manifest", "PythonGCThread", "ray_listen_error_messages", "Prefetcher"}}
    print("left:", sorted({{thread.name for thread in threading.enumerate()}} - harmless))
    shutdown()
ray.shutdown = tell
root = Path({str(tmp_path)!r})
stages = Simulation(faults={{("decode", -1): "setup"}}).factories()
try:
    run(RunConfig(), [root / "library"], root / "restored", root / "workspace", RayExecutor(), stages=stages)
except SetupError as error:
    print("ended:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240)
    expected = "left: []\nended: stage decode cannot start: no weights in models/; convert a checkpoint first\n"
    assert done.stdout == expected, f"exit code {done.returncode}: {done.stderr}"
    assert done.stderr == ""
    assert restore().ok
