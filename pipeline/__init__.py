"""The run: configuration, planning, manifest, workspace and executors. The only package that imports ray.

``restore`` and ``MotionGuidedUpscalePipeline`` are the Python API (``pipeline.api``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import MotionGuidedUpscalePipeline, restore

__all__ = ["MotionGuidedUpscalePipeline", "restore"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: workers and commands import parts of this package and must not wait for all of it.
    if name in __all__:
        from pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
