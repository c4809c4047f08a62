"""Matroska's clock: whole milliseconds."""

from __future__ import annotations

from fractions import Fraction

TICK = Fraction(1, 1000)


def to_ticks(pts: int, time_base: Fraction) -> int:
    """The tick nearest to ``pts * time_base`` seconds; half ticks go away from zero, as FFmpeg rounds."""
    exact = abs(pts) * time_base / TICK
    nearest = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return nearest if pts >= 0 else -nearest
