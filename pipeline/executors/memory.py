"""How processes on a CPU use memory and cores; it decides the speed, never the bytes.

By default glibc gives every large tensor back to the kernel and asks for it anew in the next layer: clearing pages
takes a third of the decoder's time (five frames at 720x400: 3.2 s against 2.2 s). Here it keeps them until the process
ends. And by default OpenMP's threads spin while they wait, which takes the core from the worker beside them.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD = 2**31 - 1, 64 << 20

WAIT_POLICY = "PASSIVE"
"""Of OpenMP's threads: they sleep."""
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
    "MALLOC_TOP_PAD_": str(_TOP_PAD),
    "OMP_WAIT_POLICY": WAIT_POLICY,
}
"""For processes still to be started."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8  # malloc.h


def keep_memory() -> None:
    """Do the same for the memory of this process, on Linux with glibc; nothing elsewhere."""
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    library.mallopt(_M_TOP_PAD, _TOP_PAD)
    library.mallopt(_M_ARENA_MAX, 1)  # for other threads, too: a worker is called on one
