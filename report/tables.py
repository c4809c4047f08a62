"""The tables on the page of a video: its shots, the stages' work, its chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.fingerprint import CHUNK_STAGES
from report.account import VideoAccount
from report.looking import Looks
from report.measuring import ShotFigures
from report.provenance import RecordedShots
from report.shots import Shot
from report.wording import figure

MOST_ROWS = 2000
_HEADS = ("consistency dB", "warping ×10⁻³", "of the input", "seam", "sharpness", "of the input")


def shot_heads(recorded: RecordedShots) -> tuple[str, ...]:
    """Headings of the figures: those measured here, then those of the provenance file."""
    return (*_HEADS, *recorded.names)


def shot_rows(
    shots: Sequence[Shot], looks: Looks, recorded: RecordedShots, flags: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A row of every shot, up to ``MOST_ROWS``."""
    figures = {each.shot.number: each for each in looks.shots}
    told: dict[int, list[str]] = {}
    for flag in flags:
        told.setdefault(flag["shot"], []).append(flag["text"])
    rows = []
    for shot in shots[:MOST_ROWS]:
        others = recorded.values.get(shot.number, {})
        own = _values(figures.get(shot.number, ShotFigures(shot, 0)))
        rows.append(
            {
                "number": shot.number,
                "time": looks.time(shot.start),
                "frames": f"{len(shot):,}",
                "chunks": len(shot.seams) + 1,
                "middle": (shot.start + shot.stop) // 2,
                "figures": [*own, *(others.get(name, "–") for name in recorded.names)],
                "flags": told.get(shot.number, []),
                "maps": recorded.maps.get(shot.number, []),
            }
        )
    return rows


def _values(figures: ShotFigures) -> list[str]:
    return [
        figure(figures.consistency, 1),
        figure(figures.warping),
        figure(figures.input_warping),
        figure(figures.seam),
        figure(figures.sharpness, 1),
        figure(figures.input_sharpness, 1),
    ]


def stage_rows(account: VideoAccount) -> list[dict[str, Any]]:
    """Seconds, events and machines of every stage."""
    return [
        {
            "name": name,
            "seconds": f"{stage.seconds:,.1f}",
            "events": ", ".join(f"{count} {outcome}" for outcome, count in sorted(stage.outcomes.items())),
            "nodes": ", ".join(sorted(stage.nodes)) or "–",
            "plan": stage.plan[:16],
        }
        for name, stage in account.stages().items()
    ]


def chunk_rows(account: VideoAccount) -> list[dict[str, Any]]:
    """Frames of every chunk and the seconds of its stages, up to ``MOST_ROWS``."""
    rows = []
    for number, shot, start, stop, head, tail in account.content.chunk_rows()[:MOST_ROWS]:
        seconds = []
        for name in ("split", *CHUNK_STAGES):
            stage = account.content.stages.get(name)
            known = stage is not None and number < len(stage.chunk_seconds) and stage.chunk_seconds[number]
            seconds.append(f"{known:.1f}" if known else "–")
        span, shared = f"{start}–{stop - 1}", f"{head} + {tail}"
        rows.append({"number": number, "shot": shot, "span": span, "shared": shared, "seconds": seconds})
    return rows
