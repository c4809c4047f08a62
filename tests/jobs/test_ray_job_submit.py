"""``ray job submit`` to a Ray that was started on this machine, as the manual shows it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_jobs import ROOT, Line, check_restored, environment, write_clip

pytestmark = pytest.mark.slow
TOKEN = secrets.token_hex(32)  # the head and whoever talks to it must know it
BIN = Path(sys.executable).parent


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def surroundings() -> dict[str, str]:
    """An environment in which ``python`` and ``ray`` are this test's, and the code comes from nowhere but the job."""
    kept = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    return {**kept, **token, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The dashboard of a head that is stopped at the end (and no other Ray with it, as ``ray stop`` would)."""
    head, dashboard, client, agent, http = free_ports(5)
    ports = [f"--port={head}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
    ports += [f"--dashboard-agent-grpc-port={agent}", f"--dashboard-agent-listen-port={http}"]
    size = ["--num-cpus=2", f"--object-store-memory={200 << 20}", "--disable-usage-stats"]
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:  # sockets need a short path
        words = [str(BIN / "ray"), "start", "--head", "--block", f"--temp-dir={place}", *ports, *size]
        with (Path(place) / "head.log").open("wb") as log:
            at_once = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
            process = subprocess.Popen(
                words, env=surroundings() | at_once, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_for(f"http://127.0.0.1:{dashboard}/api/version", process)
            yield f"http://127.0.0.1:{dashboard}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # it is there, and asks for the token
        except OSError:
            time.sleep(0.5)
    pytest.fail("Ray's head did not start")


def submit(address: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [str(BIN / "ray"), "job", "submit", "--working-dir", ".", "--", *words]
    env = {**surroundings(), "RAY_ADDRESS": address}
    return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_the_job_gets_the_code_and_what_it_needs_but_not_the_rest(address: str) -> None:
    files = "os.path.dirname(os.path.dirname(jobs.restore.__file__)), *sorted(os.listdir())"
    embedded = "*sorted(os.listdir(models.folder.EMBEDDED_FOLDER))"
    script = f"import os, jobs.restore, pipeline.run, models.folder; print({files}, {embedded}, sep=chr(10))"
    done = submit(address, "python", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    said = set(done.stdout.splitlines())
    assert any("working_dir_files" in line for line in said)
    assert {"jobs", "models", "pipeline", "stages", "samples", "initial_estimate"} <= said
    assert not said & {".git", "tests", ".venv", "venv", "docs", "benchmarks"}


def test_a_submitted_job_restores_and_its_exit_code_is_the_jobs(address: str, tmp_path: Path, model: Path) -> None:
    source = write_clip(tmp_path / "library" / "one.mkv", frames=9, audio="flac")
    line = Line(
        [tmp_path / "library"],
        tmp_path / "restored",
        tmp_path / "workspace",
        model,
        executor="ray",
        program=("python", "-m", "jobs.restore"),
    )
    done = submit(address, *line.words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 videos: 1 restored" in done.stdout
    check_restored(source, tmp_path / "restored" / "one.mkv")
    (tmp_path / "library" / "bad.mkv").write_text("no video")
    failed = submit(address, *line.words)
    assert failed.returncode == 1 and "2 videos: 0 restored, 1 already done, 1 failed" in failed.stdout
    assert "exit code 2" in failed.stdout + failed.stderr
