"""How processes on a CPU use memory and cores; it decides the speed, never the bytes.

By default glibc gives every large tensor back to the kernel and asks for it anew in the next layer: clearing pages
took a third of the decoder's time (2.8 s for five frames at 720x400 against 2.0 s). Here it keeps them until the
process ends. And by default OpenMP's threads spin while they wait, which takes the core from the worker beside them.
"""

from __future__ import annotations

import ctypes
import platform

WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""For processes still to be started."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h


def keep_memory() -> None:
    """Do the same for the memory of this process, on Linux with glibc; nothing elsewhere."""
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(_M_TOP_PAD, 64 << 20)
