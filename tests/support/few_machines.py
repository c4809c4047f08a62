"""A Ray cluster of several machines on this one, and what surrounds a driver that is started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.cluster_utils import Cluster
from whole_jobs import environment

from pipeline.executors.on_ray import STARTS, TOO_SLOW

MACHINE = {"num_cpus": 3, "object_store_memory": 80 << 20}


@contextmanager
def few_machines(*machines: dict[str, Any]) -> Iterator[Cluster]:
    """Lend a head that only drives, and machines that work: two, or one for each of what is said of them."""
    found = _with_head()
    try:
        for each in machines or ({}, {}):
            found.add_node(**MACHINE, **each)
        yield found
    finally:
        found.shutdown()


def _with_head() -> Cluster:
    """A cluster with a head; begun again where the machine was too busy for the 30 seconds that Ray waits."""
    head = {"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False}
    for left in reversed(range(STARTS)):
        try:
            return Cluster(initialize_head=True, head_node_args=head)
        except Exception as error:
            if not left or TOO_SLOW not in str(error):
                raise
    raise AssertionError("unreachable")


def raylet(node: Any) -> int:
    """The process of Ray's own that starts a machine's workers."""
    found: int = node.all_processes["raylet"][0].process.pid
    return found


def surroundings(cluster: Cluster) -> dict[str, str]:
    """The environment of a driver."""
    # A Ray that this process had before may have left the mode behind, and the cluster took it over.
    mode = os.environ.get("RAY_AUTH_MODE", "disabled")
    return {**environment(), "RAY_AUTH_MODE": mode, "RAY_ADDRESS": cluster.address}
