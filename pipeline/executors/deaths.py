"""What Ray answers instead of a process that is gone, and what that means for the run."""

from __future__ import annotations

from ray.exceptions import OutOfMemoryError, RayActorError

from pipeline.faults import line

DEATHS = (RayActorError, OutOfMemoryError)
"""The second is Ray's memory monitor, which ends processes while the machine still has some memory left."""


def ran_short(error: Exception) -> bool:
    """Whether Ray ended the process to save memory."""
    return isinstance(error, OutOfMemoryError)


def why_lost(error: Exception) -> str:
    """Return why a run cannot go on without the collector, in one line."""
    if ran_short(error):
        return (
            "the machine of this run was short of memory, and Ray ended its processes; nothing is lost: "
            "free some memory or lower pools.*, and run again"
        )
    return f"Ray's processes here were lost (...{line(error)[-150:]}); run again"
