"""Chapters of a video, and the tracks of text in which MP4 and MOV keep their titles."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from stages.assemble.ticks import TICK, to_ticks


def is_chapter_track(container: Any, stream: Any) -> bool:
    """Whether a stream holds the titles of the container's chapters and nothing else: a sample where each begins."""
    if stream.type != "data" or not container.chapters():
        return False
    begins = [chapter["start"] * Fraction(chapter["time_base"]) for chapter in container.chapters()]
    return begins == [entry.timestamp * stream.time_base for entry in stream.index_entries]


def moved_chapters(container: Any, shift: int) -> list[dict[str, Any]]:
    """The chapters in Matroska's ticks, ``shift`` ticks later."""

    def moved(chapter: Any, key: str) -> int:
        return to_ticks(chapter[key], Fraction(chapter["time_base"])) + shift

    return [
        {**chapter, "start": moved(chapter, "start"), "end": moved(chapter, "end"), "time_base": TICK}
        for chapter in container.chapters()
    ]
