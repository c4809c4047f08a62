"""What is decided about fields, from what was measured of every frame."""

from __future__ import annotations

import pytest

from stages.split.fields import Measured, decide


@pytest.mark.parametrize(
    ("kinds", "flags", "treatment"),
    [
        ("t" * 4, "p" * 4, "progressive"),  # chance: noise of three or four frames is often measured so
        ("tub", "ppp", "progressive"),
        ("t" * 5, "p" * 5, "deinterlaced"),
        ("t" * 3, "i" * 3, "deinterlaced"),  # the flag and the measurement agree
        ("t" * 9 + "p" * 40, "p" * 49, "deinterlaced, progressive"),
    ],
)
def test_a_few_frames_without_a_flag_are_not_taken_for_interlaced(kinds: str, flags: str, treatment: str) -> None:
    found = decide("auto", Measured(kinds, "n" * len(kinds), flags))
    assert ", ".join(each.treatment for each in found) == treatment
