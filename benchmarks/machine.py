"""Where something was measured, for the record beside the numbers."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

import torch

from benchmarks.worker_environment import STARTED_WITH


def machine(device: torch.device) -> dict[str, Any]:
    """The device, the machine around it, how busy it was, the day, and what malloc and OpenMP were started with."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "device": f"{device.type} ({name})",
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "measured": time.strftime("%Y-%m-%d"),
    } | ({"environment": STARTED_WITH} if STARTED_WITH else {})
