"""In what type converted weights are stored. Apart, so that a command line knows the choices without loading torch."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """The name of a torch type."""

    float16 = "float16"
    float32 = "float32"
