"""Ray's head node as a process of its own, with a token, on ports of its own; no other Ray is touched."""

from __future__ import annotations

import os
import random
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from whole_jobs import environment

TOKEN = secrets.token_hex(32)  # the head and whoever talks to it must know it
BIN = Path(sys.executable).parent
STARTS = 3
RAY_WORKERS_END = 20000  # Ray gives its workers the ports from 10002 to 19999


@dataclass(frozen=True)
class Head:
    """Where it listens."""

    dashboard: str
    address: str
    metrics: str


def surroundings() -> dict[str, str]:
    """An environment in which ``python`` and ``ray`` are this test's, and the code comes from nowhere but the job."""
    kept = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_metrics_report_interval_ms": "1000"}
    return {**kept, **token, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}"}


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, of those that the system gives to nobody by itself.

    Ray binds with SO_REUSEPORT: another Ray that is given one of these by the system would share it in silence, and
    half of its callers would end up here.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    for port in random.sample(range(RAY_WORKERS_END, lowest), 1000):
        with socket.socket() as each, suppress(OSError):
            each.bind(("", port))
            found.append(port)
        if len(found) == count:
            break
    return found


@contextmanager
def ray_head(gpus: int = 0) -> Iterator[Head]:
    """Start a head, with so many made-up GPUs; it is stopped at the end (no other Ray with it, as by ``ray stop``)."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:  # sockets need a short path
        process, head = _started(Path(place), gpus)
        try:
            yield head
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _started(place: Path, gpus: int) -> tuple[subprocess.Popen[bytes], Head]:
    """The head, once it takes jobs. It ends itself where the machine is too busy to start all of it in time."""
    for _ in range(STARTS):
        head, dashboard, client, agent, http, metrics = free_ports(6)
        ports = [f"--port={head}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        ports += [f"--dashboard-agent-grpc-port={agent}", f"--dashboard-agent-listen-port={http}"]
        ports += [f"--metrics-export-port={metrics}"]
        size = ["--num-cpus=2", f"--num-gpus={gpus}", f"--object-store-memory={200 << 20}", "--disable-usage-stats"]
        words = [str(BIN / "ray"), "start", "--head", "--block", f"--temp-dir={place}", *ports, *size]
        with (place / "head.log").open("ab") as log:
            at_once = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
            process = subprocess.Popen(
                words, env=surroundings() | at_once, stdout=log, stderr=log, start_new_session=True
            )
        places = (f"http://127.0.0.1:{dashboard}/api/version", f"http://127.0.0.1:{http}/api/local_raylet_healthz")
        if all(answers(url, process) for url in places):
            return process, Head(f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{head}", f"127.0.0.1:{metrics}")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    pytest.fail(f"Ray's head did not start: {(place / 'head.log').read_text()[-2000:]}")


def answers(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> bool:
    """Wait until something answers there; whether it did, while the process lived."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return True
        except urllib.error.HTTPError:
            return True  # it is there, and asks for the token
        except OSError:
            time.sleep(0.5)
    return False
