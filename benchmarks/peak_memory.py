"""The most memory a block of code has taken: of the process on a CPU, of torch's allocator on a GPU."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

CLEAR = Path("/proc/self/clear_refs")


def forget_peak(device: torch.device) -> None:
    """Begin anew. Where a process cannot (only Linux can), its peak stays that since its start."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR.exists():
        CLEAR.write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Largest use since ``forget_peak``; on a CPU resident memory, everything that is loaded included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
