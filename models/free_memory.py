"""How much memory a device has left, and how much of it a call takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from models.live_tensors import LiveTensors

ResultT = TypeVar("ResultT")
MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int | None:
    """What can still be had: on a GPU torch's own unused blocks included, on a CPU within the container's limit.

    Pages that keep what was read of files count as free: the system gives them up. None where it does not say.
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu" or not MEMINFO.exists():
        return None
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = CONTAINER / "memory.max", CONTAINER / "memory.current"
    if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()) + _pages_of_files())
    return max(0, free)


def _pages_of_files() -> int:
    """Bytes of the container's use that hold files; what ``MemAvailable`` says of the machine counts them already."""
    stat = CONTAINER / "memory.stat"
    fields = dict(line.split() for line in stat.read_text().splitlines()) if stat.exists() else {}
    return sum(int(fields.get(name, 0)) for name in ("inactive_file", "active_file"))


def taken(call: Callable[[], ResultT], device: torch.device) -> tuple[ResultT, int]:
    """What a call gives, and the most bytes it held at once beyond what was there before.

    On a GPU by torch's allocator; elsewhere by counting the tensors of all operations, so work spaces are not seen.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = call()
        return result, torch.cuda.max_memory_allocated(device) - before
    with LiveTensors() as memory:
        result = call()
    return result, memory.peak
