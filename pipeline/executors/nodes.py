"""The cluster's machines."""

from __future__ import annotations

import time
from collections.abc import Mapping

import ray
from ray._private.state import available_resources_per_node  # no public function tells it without a dashboard

from pipeline.executors.machines import Machine

LEAVING_SECONDS = 2.0
"""A machine that shuts down ends the workers on it up to so long before Ray's own process there says goodbye."""


def is_gone(node: str) -> bool:
    """Whether a machine, as events name it, has left the cluster."""
    prefix = node.rpartition("/")[2]
    return bool(prefix) and not any(each["Alive"] and each["NodeID"].startswith(prefix) for each in ray.nodes())


class LiveNodes:
    """The cluster, as a worker sees it who finds another one's unfinished attempt."""

    def is_gone(self, node: str) -> bool:
        """Whether a machine, as events name it, has left the cluster, or does so now."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while not is_gone(node):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.25)
        return True


def free() -> str:
    """What of the cluster nobody has taken, in words."""
    left = ray.available_resources()
    return ", ".join(f"{left.get(name, 0.0):g} {name}" for name in ("CPU", "GPU"))


def has_room(cpus: float, gpus: float, labels: Mapping[str, str]) -> bool:
    """Whether one machine with these labels has so much that nobody has taken.

    Two machines with half a GPU left each have no room for a worker that asks for a whole one.
    """
    left = available_resources_per_node()
    return any(
        left.get(each["NodeID"], {}).get("CPU", 0.0) >= cpus and left[each["NodeID"]].get("GPU", 0.0) >= gpus
        for each in ray.nodes()
        if each["Alive"] and Machine(0.0, labels=each.get("Labels") or {}).suits(labels)
    )


def cluster_machines() -> list[Machine]:
    """The machines that are there, with all that they have, taken or not."""
    return [
        Machine(each["Resources"].get("CPU", 0.0), each["Resources"].get("GPU", 0.0), each.get("Labels") or {})
        for each in ray.nodes()
        if each["Alive"]
    ]
