"""Look at one published video: measure some of its frames, and take pictures of a few."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.temporal_profile import TemporalProfile
from pipeline.artifacts import Artifact, Artifacts
from pipeline.faults import line
from pipeline.storage import Storage, StorageError
from report.footage import Input, Restored, Rgb, local_file
from report.measuring import FrameFigures, Measuring, ShotFigures, by_shot
from report.pictures import choose, data_url, eight_bits, thumbnail
from report.settings import ReportSettings
from report.shots import Shot, stretches
from report.wording import timecode
from stages.contract import ItemError

LONGEST_PROFILE = 240


@dataclass(slots=True)
class Looks:
    """What was seen; empty where nothing could be. ``problems`` says why, a line each."""

    facts: dict[str, Any] = field(default_factory=dict)
    times: tuple[int, ...] = ()
    figures: FrameFigures = field(default_factory=FrameFigures)
    shots: list[ShotFigures] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    profile: dict[str, Any] | None = None
    provenance: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)

    def time(self, frame: int) -> str:
        """When a frame is shown, as people read it; "" if it is not known."""
        return timecode(self.times[frame]) if 0 <= frame < len(self.times) else ""


def look(
    record: Artifact,
    output: Storage,
    given: Input,
    shots: list[Shot],
    artifacts: Artifacts,
    scratch: Path,
    settings: ReportSettings,
) -> Looks:
    """Open a published video and its input. What cannot be read is left out and named in ``problems``.

    Args:
        record: of the published video.
        output: where it was published.
        given: what it was made from.
        shots: of the video.
        artifacts: of the workspace.
        scratch: an empty local folder.
        settings: how much to look at.
    """
    looks = Looks()
    looks.provenance = _provenance(output, record)
    master, fixity_name = _named(record, ".mkv"), _named(record, ".framemd5")
    missing = [name for name in (master, fixity_name) if name and not output.is_file(name)]
    for name in missing:
        looks.problems.append(f"{name} is not in {output.url} any more; run restore again, which makes what is missing")
    if master is None or master in missing:
        return looks
    try:
        fixity = output.read(fixity_name).decode() if fixity_name and fixity_name not in missing else None
        with local_file(output, master, scratch) as path:
            restored = Restored.open(path, fixity)
            looks.times = restored.times
            looks.facts = _facts(restored)
            if shots and shots[-1].stop <= len(restored.times):
                footage = _Footage(restored, given, artifacts, scratch)
                _measure(looks, footage, shots, settings)
                _take_pictures(looks, footage, shots, settings)
    except (ItemError, StorageError, OSError, ValueError) as error:
        looks.problems.append(line(error))
    return looks


def _named(record: Artifact, ending: str) -> str | None:
    return next((file.name for file in record.files if file.name.endswith(ending)), None)


def _provenance(output: Storage, record: Artifact) -> dict[str, Any] | None:
    name = _named(record, ".provenance.json")
    if name is None:
        return None
    try:
        loaded = json.loads(output.read(name))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _facts(restored: Restored) -> dict[str, Any]:
    facts = restored.facts
    return {
        "width": facts.width,
        "height": facts.height,
        "sar": float(facts.sar),
        "codec": facts.codec,
        "pixel format": facts.pix_fmt,
        "frames per second": round(float(facts.rate), 3),
        "audio streams": len(facts.audio),
    }


@dataclass(frozen=True, slots=True)
class _Footage:
    """A published video and its input, opened."""

    restored: Restored
    given: Input
    artifacts: Artifacts
    scratch: Path

    def pairs(self, wanted: list[int], looks: Looks) -> Iterator[tuple[int, Rgb, Rgb]]:
        """Yield (number, input, restored) of these frames; the first tells ``looks`` the input's size."""
        inputs = self.given.frames(wanted, self.artifacts, self.scratch)
        for number, low, high in zip(wanted, inputs, self.restored.frames(wanted), strict=True):
            looks.facts.setdefault("input width", low.shape[1])
            looks.facts.setdefault("input height", low.shape[0])
            yield number, low, high


def _measure(looks: Looks, footage: _Footage, shots: list[Shot], settings: ReportSettings) -> None:
    chosen = stretches(shots, settings.measure)
    if not chosen:
        return
    row, width = footage.restored.facts.height // 2, footage.restored.facts.width
    measuring, profile = Measuring(), TemporalProfile(row)
    profiled = _profiled(chosen)
    starts = {frames.start for frames in chosen}
    wanted = [number for frames in chosen for number in frames]
    for number, low, high in footage.pairs(wanted, looks):
        measuring.add(number, low, high, number in starts)
        if number in profiled:
            profile.add({"input": low, "restored": high})
    looks.figures = measuring.figures
    looks.shots = by_shot(measuring.figures, shots)
    strips = profile.strips()
    looks.profile = {
        "row": row,
        "first": profiled.start,
        "stop": profiled.stop,
        "width": width,
        **{name: data_url(strip) for name, strip in strips.items()},
    }


def _profiled(chosen: list[range]) -> range:
    """The longest run of measured frames, which may cross cuts."""
    runs: list[range] = []
    for frames in chosen:
        if runs and runs[-1].stop == frames.start:
            runs[-1] = range(runs[-1].start, frames.stop)
        else:
            runs.append(frames)
    return max(runs, key=len)[:LONGEST_PROFILE]


def _take_pictures(looks: Looks, footage: _Footage, shots: list[Shot], settings: ReportSettings) -> None:
    chosen = choose(shots, looks.figures, settings.frames)
    wanted = [choice.frame for choice in chosen]
    for choice, (frame, low, high) in zip(chosen, footage.pairs(wanted, looks), strict=True):
        looks.pictures.append(
            {
                "frame": frame,
                "shot": choice.shot,
                "why": list(choice.why),
                "before": data_url(eight_bits(low), settings.quality),
                "after": data_url(eight_bits(high), settings.quality),
                "small": thumbnail(high),
            }
        )
