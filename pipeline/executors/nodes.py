"""The cluster's machines."""

from __future__ import annotations

import ray


def is_gone(node: str) -> bool:
    """Whether a machine, as events name it, has left the cluster."""
    prefix = node.rpartition("/")[2]
    return bool(prefix) and not any(each["Alive"] and each["NodeID"].startswith(prefix) for each in ray.nodes())


def free() -> str:
    """What of the cluster nobody has taken, in words."""
    left = ray.available_resources()
    return ", ".join(f"{left.get(name, 0.0):g} {name}" for name in ("CPU", "GPU"))
