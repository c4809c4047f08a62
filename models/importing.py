"""The import of diffusers without torch's compiler."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"


def import_diffusers() -> None:
    """Import what networks need of diffusers in half the time, before anything else does; a second call does nothing.

    Diffusers marks some functions and layers for the compiler, and imports it for that: a quarter of all modules that a
    worker would load, two seconds of a processor. Here it is given marks that do nothing. Not for processes that
    compile networks: the compiler would treat those layers otherwise.
    """
    import_module("torch")  # by itself, so that it meets nothing of what follows
    if COMPILER in sys.modules:
        return
    marks = ModuleType(COMPILER)
    marks.disable = marks.allow_in_graph = _unmarked  # type: ignore[attr-defined]
    sys.modules[COMPILER] = marks
    try:
        # Another release may ask for more. Then those who need these modules import them as they are.
        with suppress(ImportError, AttributeError):
            import_module("diffusers.models.modeling_utils")
            import_module("diffusers.hooks")
    finally:
        del sys.modules[COMPILER]


def _unmarked(function: Any = None, *_: Any, **__: Any) -> Any:
    """A mark, written with arguments or without, that leaves a function as it is."""
    return _unmarked if function is None else function
