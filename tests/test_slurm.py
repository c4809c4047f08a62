"""Slurm's script where Slurm takes the machines back; its programs are fakes that write down what they did."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "deploy" / "slurm.sh"
FAKES = {
    "scontrol": '[ "$1" = show ] && printf "n1\\nn2\\n" || echo "scontrol $*" >>"$DID"',
    "srun": 'trap \'echo "ray gone" >>"$DID"; exit 143\' TERM\nsleep 300 & wait',
    "ray": "exit 0",
    "python": """
        trap 'echo "driver told" >>"$DID"; sleep "$LAST"; echo "driver ends" >>"$DID"; exit "$CODE"' TERM
        echo "driver begins" >>"$DID"
        sleep 300 & wait""",
}


def start(place: Path, last: float, code: int) -> subprocess.Popen[str]:
    """Start the script; its driver takes ``last`` seconds to stop when it is told to, and ends with ``code``."""
    for name, body in FAKES.items():
        (place / name).write_text(f"#!/bin/bash\n{body}\n")
        (place / name).chmod(0o755)
    facts = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7", "REELIFT_GRACE": "3"}
    said = {"DID": str(place / "did"), "LAST": str(last), "CODE": str(code)}
    env = {**os.environ, **facts, **said, "PATH": f"{place}:{os.environ['PATH']}"}
    (place / "did").touch()
    words = [str(SCRIPT), "/data/tapes", "--output", "/o", "--workspace", "/w"]
    return subprocess.Popen(words, env=env, text=True, start_new_session=True)


@pytest.mark.parametrize(
    ("last", "code", "expected"),
    [
        (0.2, 130, ["driver told", "driver ends", "ray gone", "ray gone", "scontrol requeue 7"]),
        (0.2, 0, ["driver told", "driver ends", "ray gone", "ray gone"]),
        (0.2, 2, ["driver told", "driver ends", "ray gone", "ray gone"]),
        (60, 130, ["driver told", "ray gone", "ray gone", "scontrol requeue 7"]),
    ],
    ids=["chunks in hand are finished", "it was at its end", "and some failed", "they take too long"],
)
def test_before_it_is_queued_again_the_driver_may_finish_what_it_has_in_hand(
    tmp_path: Path, last: float, code: int, expected: list[str]
) -> None:
    process, did = start(tmp_path, last, code), tmp_path / "did"
    try:
        deadline = time.monotonic() + 30
        while "driver begins" not in did.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        ended = process.wait(30)
        while len(did.read_text().splitlines()) <= len(expected) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    found = did.read_text().splitlines()
    assert sorted(found) == sorted(["driver begins", *expected])
    assert [each for each in found if each != "ray gone"] == [
        "driver begins",
        *(x for x in expected if x != "ray gone"),
    ]
    if "driver ends" in expected:
        assert found.index("driver ends") < found.index("ray gone"), "Ray is needed to finish"
    assert ended == (0 if code == 130 else code)
