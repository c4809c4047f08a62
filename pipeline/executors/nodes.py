"""The cluster's machines."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray._private.state import available_resources_per_node  # no public function tells it without a dashboard

from pipeline.executors.machines import Machine

ANSWER_SECONDS = 0.5
LEAVING_SECONDS = 2.0
"""A machine that shuts down ends the workers on it up to so long before Ray's own process there says goodbye."""


def is_gone(node: str) -> bool:
    """Whether a machine, as events name it, has left the cluster, or Ray's own process there has ended."""
    prefix = node.rpartition("/")[2]
    known = (each for each in ray.nodes() if each["Alive"] and each["NodeID"].startswith(prefix))
    return bool(prefix) and not any(_answers(each) for each in known)


def _answers(machine: Mapping[str, Any]) -> bool:
    """Whether Ray's own process there takes connections, or may do so.

    Its workers end with it when it is killed, but for ten seconds or more Ray still counts the machine as alive.
    """
    try:
        place = machine["NodeManagerAddress"], machine["NodeManagerPort"]
        socket.create_connection(place, ANSWER_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except OSError:  # nothing came back: it is Ray's to find out why
        return True
    return True


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
    suiting = (each["NodeID"] for each in ray.nodes() if each["Alive"] and _machine(each).suits(labels))
    found = (left.get(name, {}) for name in suiting)
    return any(each.get("CPU", 0.0) >= cpus and each.get("GPU", 0.0) >= gpus for each in found)


def cluster_machines() -> list[Machine]:
    """The machines that are there, with all that they have, taken or not."""
    return [_machine(each) for each in ray.nodes() if each["Alive"]]


def _machine(told: Mapping[str, Any]) -> Machine:
    has = told["Resources"]
    return Machine(has.get("CPU", 0.0), has.get("GPU", 0.0), told.get("Labels") or {})
