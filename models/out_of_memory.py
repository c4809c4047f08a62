"""Whether an exception says that memory was too small.

By class and message, not by ``isinstance``: torch is not imported where no network is needed, and the CUDA libraries
raise plain ``RuntimeError``.
"""

from __future__ import annotations

_WORDS = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the device or the host, was too small for what was asked of it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
