"""Root without the rights that let it read and write whatever it likes: files' permissions hold for it, too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


@contextmanager
def unprivileged() -> Iterator[None]:
    """Take them from this thread, and give them back; whoever is not root has none."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable
    assert libc.capget(header, before) == 0, os.strerror(ctypes.get_errno())
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    assert libc.capset(header, less) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0, os.strerror(ctypes.get_errno())
