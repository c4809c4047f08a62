"""How a configuration that may be given once, or once per level, is read."""

from __future__ import annotations

from collections.abc import Sequence


def per_level(value: int | Sequence[int], levels: int) -> tuple[int, ...]:
    """Return ``value`` for each of ``levels`` levels; ValueError if a sequence has another length."""
    values = (value,) * levels if isinstance(value, int) else tuple(value)
    if len(values) != levels:
        raise ValueError(f"{levels} levels need {levels} values, not {values}")
    return values
