"""How many requests to S3 a chunk more in a video makes, and what they cost.

    python -m benchmarks.s3_requests [--json benchmarks/results/s3_requests.json]

A run of simulated stages, whose artifacts have as many files as the real ones', with workspace, input and output on
moto's server (``pip install 'moto[server]'``). What botocore sends is counted by name and by what it is about; a run
with few chunks and one with more are compared, so that what a run or a video costs once is left out. The manifest is
left out, too: it is written by the clock.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.run import run
from pipeline.storage import Storage

CHUNKS = (4, 14)
FILES = {"split": 2, "flow": 1, "sample": 2, "decode": 3}
DOLLARS = {"PutObject": 5.0, "ListObjectsV2": 5.0, "GetObject": 0.4, "HeadObject": 0.4}
"""A million of them: an assumption. Deletions are free."""

Requests = Counter[tuple[str, str]]


@contextmanager
def server() -> Iterator[None]:
    """Start moto's server, and have s3fs find it."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": "http://{}:{}".format(*moto.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    try:
        yield
    finally:
        moto.stop()


@contextmanager
def counting() -> Iterator[Requests]:
    """Count what is sent: (operation, first part of the name it is about in the workspace, else "")."""
    from aiobotocore.client import AioBaseClient

    found: Requests = Counter()
    send = AioBaseClient._make_api_call

    async def counted(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        name = str(parameters.get("Key", parameters.get("Prefix", "")))
        inside = f"/{name}".partition("/work/")[2].split("/")
        found[operation, "/".join(inside[: 2 if inside[0] == "artifacts" else 1])] += 1
        return await send(self, operation, parameters)

    AioBaseClient._make_api_call = counted
    try:
        yield found
    finally:
        AioBaseClient._make_api_call = send


def requests(bucket: str, chunks: int) -> Requests:
    """What a run over one video of that many chunks sends, manifest aside."""
    place = f"s3://{bucket}/{chunks}"
    simulation = Simulation(files=FILES)
    Storage(f"{place}/library").put("one.mp4", f"{chunks * simulation.chunk_frames} frames".encode())
    with counting() as found:
        stages = simulation.factories()
        report = run(RunConfig(), [f"{place}/library"], f"{place}/restored", f"{place}/work", stages=stages)
    assert report.ok, report.failures
    return Counter({key: count for key, count in found.items() if key[1] != "manifest"})


def measure() -> dict[tuple[str, str], float]:
    """Requests per chunk, by operation and what they are about."""
    with server():
        import fsspec

        fsspec.filesystem("s3").mkdir("requests")
        requests("requests", 1)  # what a process does once
        few, many = (requests("requests", chunks) for chunks in CHUNKS)
    more = CHUNKS[1] - CHUNKS[0]
    return {key: (many[key] - few[key]) / more for key in sorted(many) if many[key] != few[key]}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/s3_requests.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        found = measure()
    total: dict[str, float] = defaultdict(float)
    for (operation, about), count in found.items():
        total[operation] += count
        print(f"{operation:16} {about or 'input and output':24} {count:6.1f}")
    dollars = sum(DOLLARS.get(operation, 0.0) * count for operation, count in total.items())
    for operation, count in sorted(total.items()):
        print(f"{operation:16} {'together':24} {count:6.1f}")
    print(f"dollars for a million chunks: {dollars:.0f}")
    rows = [{"operation": key[0], "about": key[1], "per_chunk": count} for key, count in found.items()]
    result = {"rows": rows, "per_chunk": total, "dollars_per_million_chunks": round(dollars, 1)}
    write_result(arguments.json, result | {"measured": time.strftime("%Y-%m-%d")})


if __name__ == "__main__":
    main()
