"""The figures of a run, scraped by a real Prometheus from Ray's agent, and the dashboard that shows them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray_head import Head, answers, free_ports, ray_head, surroundings
from whole_jobs import ROOT, events

pytestmark = pytest.mark.slow
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text())

RUN = """
import sys, time
from pathlib import Path
from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
root = Path(sys.argv[1])
faults = {("sample", 0): "once", ("decode", 1): "item"}
seconds = {"flow": 0.3, "sample": 0.6, "split": 0.3}
stages = Simulation(journal=root / "journal", faults=faults, bytes=500, seconds=seconds).factories()
config = RunConfig.model_validate({"runtime": {"threads": 1}})
executor = RayExecutor(config.pools)
run(config, [root / "library"], root / "restored", root / "workspace", executor, stages=stages)
(root / "ran").touch()
deadline = time.monotonic() + 90
while not (root / "scraped").exists() and time.monotonic() < deadline:
    time.sleep(0.2)
"""


@contextmanager
def prometheus(target: str, place: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    scrape = {"job_name": "ray", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    scrape["authorization"] = {"credentials": surroundings()["RAY_AUTH_TOKEN"]}
    (place / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    words = ["prometheus", f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}"]
    process = subprocess.Popen(
        [*words, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert answers(f"http://127.0.0.1:{port}/-/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def ask(server: str, query: str) -> list[tuple[dict[str, str], float]]:
    url = f"{server}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return [(each["metric"], float(each["value"][1])) for each in found["data"]["result"]]


def by(server: str, query: str, *labels: str) -> dict[Any, float]:
    found = {tuple(metric.get(label, "") for label in labels): value for metric, value in ask(server, query)}
    return {key if len(labels) > 1 else key[0]: value for key, value in found.items()}


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[str]:
    """Prometheus, when it has scraped a run of two videos in five chunks, one failed and one tried twice."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    (root / "library").mkdir()
    (root / "library" / "one.mp4").write_text("25 one")
    (root / "library" / "two.mp4").write_text("8 two")
    with ray_head(gpus=1) as head, prometheus(head.metrics, root) as address:
        env = {**surroundings(), "PYTHONPATH": str(ROOT), "RAY_ADDRESS": head.address}
        process = subprocess.Popen([sys.executable, "-c", RUN, str(root)], env=env, cwd=root)
        try:
            deadline = time.monotonic() + 200
            while time.monotonic() < deadline and process.poll() is None and not scraped(root, address, head):
                time.sleep(0.5)
            yield address
        finally:
            (root / "scraped").touch()
            process.wait(120)


def scraped(root: Path, server: str, head: Head) -> bool:
    return (root / "ran").exists() and by(server, "ray_reelift_videos_total", "job") != {}


def test_what_was_done_is_counted(server: str) -> None:
    frames = by(server, "sum by (stage) (ray_reelift_frames_total)", "stage")
    assert frames == {"split": 33, "flow": 33, "sample": 33, "decode": 23}
    assert by(server, "sum by (stage) (ray_reelift_chunk_seconds_count)", "stage") == {
        "split": 4,
        "flow": 4,
        "sample": 4,
        "decode": 3,
    }
    assert by(server, "ray_reelift_retries_total", "stage", "outcome") == {("sample", "retried"): 2}
    assert by(server, "ray_reelift_failures_total", "stage") == {"decode": 1}
    assert by(server, "ray_reelift_videos_total", "job") == {"ray": 1}
    assert by(server, "ray_reelift_artifact_bytes_total", "stage")["flow"] == 4 * 500
    assert set(by(server, "ray_reelift_workers", "stage")) == {"split", "flow", "sample", "decode", "assemble"}
    assert ask(server, "ray_reelift_scratch_bytes")


def test_what_gpus_cost_is_counted_whatever_came_of_it(server: str, root: Path) -> None:
    spent = by(server, "ray_reelift_gpu_seconds_total", "stage")
    assert set(spent) == {"flow", "sample", "decode"}, "split and assemble have none"
    third = 0.33  # of the one GPU that the three stages share
    rows = events(root / "workspace")
    for stage, attempts, slept in (("flow", 4, 0.3), ("sample", 6, 0.6)):  # two of the six failed
        seconds = [row["seconds"] for row in rows if row["stage"] == stage]
        assert len(seconds) == attempts and min(seconds) >= slept
        assert spent[stage] == pytest.approx(third * sum(seconds), rel=0.01)


def test_the_dashboard_asks_for_what_there_is(server: str) -> None:
    assert len(queries()) >= 8
    names = {name for query in queries() for name in re.findall(r"ray_reelift_\w+", query)}
    known = {metric["__name__"] for metric, _ in ask(server, '{__name__=~"ray_reelift_.*"}')}
    assert names <= known
    for query in queries():
        ask(server, query.replace("$__rate_interval", "1m"))  # raises, if Prometheus cannot read it
