"""The rate of a finished video, where its frames keep to one."""

from __future__ import annotations

from fractions import Fraction

from stages.assemble.joining import frame_times
from stages.assemble.ticks import TICK
from stages.items import AssembleTask
from stages.media.table import read_table

STANDARD = tuple(
    Fraction(rate)
    for rate in (
        "24000/1001",
        "24",
        "25",
        "30000/1001",
        "30",
        "48",
        "50",
        "60000/1001",
        "60",
        "100",
        "120000/1001",
        "120",
    )
)
"""Frames per second of film, television and cameras."""
_LIKE_STANDARD = Fraction(1, 10_000)
"""Two of the standard rates differ by ten times as much. Matroska has the duration of a frame in nanoseconds, which
makes 59.94 of them 19001/317; other files have the rate to three digits."""
_WITHOUT_PULLDOWN = Fraction(4, 5)
"""Of five frames four stay where 3:2 pulldown is undone."""


def constant_rate(task: AssembleTask) -> Fraction | None:
    """The rate that the frames' timestamps keep to, to within a Matroska tick; None if it varies.

    Tried are the rate of the source, which is a standard one where it nearly is, and four fifths of it.
    """
    nominal = read_table(task.split[0]).rate
    told = next((rate for rate in STANDARD if abs(nominal / rate - 1) < _LIKE_STANDARD), nominal)
    rates = list(dict.fromkeys([told, nominal, told * _WITHOUT_PULLDOWN]))
    first: int | None = None
    for number, (tick, _) in enumerate(frame_times(task)):
        first = tick if first is None else first
        rates = [rate for rate in rates if abs((tick - first) * TICK - number / rate) <= TICK]
        if not rates:
            return None
    return rates[0]
