"""What an exception says: in one line, and about the device that it came from.

The latter by class and message, not by ``isinstance``: torch is not imported where no stage needs it, and the CUDA
libraries raise plain ``RuntimeError``.
"""

from __future__ import annotations

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")
_DEVICE = ("cuda error", "cudnn error", "cudnn_status", "cublas_status", "nccl error", "hip error")


def line(error: BaseException) -> str:
    """Return an exception's message as one line; its class, if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the device or the host, was too small for what was asked of it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def device_lost(error: BaseException) -> bool:
    """Whether the process can use its device no more: after an error of CUDA every later call fails, too."""
    if out_of_memory(error):
        return False
    if type(error).__name__ == "AcceleratorError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _DEVICE)
