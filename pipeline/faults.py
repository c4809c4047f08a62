"""What an exception says: in one line, and about the device that it came from.

The latter by class and message, not by ``isinstance``, for the reasons that ``models.out_of_memory`` gives.
"""

from __future__ import annotations

from models.out_of_memory import out_of_memory

_DEVICE = ("cuda error", "cudnn error", "cudnn_status", "cublas_status", "nccl error", "hip error")


def line(error: BaseException) -> str:
    """Return an exception's message as one line; its class, if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def device_lost(error: BaseException) -> bool:
    """Whether the process can use its device no more: after an error of CUDA every later call fails, too."""
    if out_of_memory(error):
        return False
    if type(error).__name__ == "AcceleratorError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _DEVICE)
