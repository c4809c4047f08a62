"""Samples at the start of audio that only prime the decoder, or that an edit list skips: decoded, never heard."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from stages.assemble.presented import SKIP


def priming(first: Any, others: Iterable[Any], sample_rate: int) -> Fraction:
    """Seconds of an audio stream that are not heard, by its first packet and others of it that follow.

    An edit list skips the packets before time 0, a codec the samples that it says. Packets that are before time 0 for
    any other reason are heard.
    """
    early = max(Fraction(0), -first.pts * first.time_base)
    if first.is_discard:
        heard = next((each for each in others if not each.is_discard and each.pts is not None), first)
        skipped = Fraction(_skipped(first), sample_rate) if sample_rate else Fraction(0)
        return early or skipped or max(Fraction(0), (heard.pts - first.pts) * first.time_base)
    return min(early, Fraction(_skipped(first), sample_rate)) if sample_rate else early


def _skipped(packet: Any) -> int:
    """Samples that a decoder must drop from the beginning of a packet."""
    if not packet.has_sidedata(SKIP):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata(SKIP))[:4], "little")
