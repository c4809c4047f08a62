"""The page of one video: what the template shows and what the scripts draw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isnan
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.fingerprint import CHUNK_STAGES
from report.account import VideoAccount
from report.looking import Looks
from report.measuring import ShotFigures
from report.pictures import LOSSLESS, THUMBNAIL_WIDTH
from report.provenance import RecordedShots, provenance_groups, recorded_shots
from report.rendering import render
from report.settings import ReportSettings
from report.shots import Shot
from report.tables import MOST_ROWS, chunk_rows, shot_heads, shot_rows, stage_rows
from report.wording import duration, plural, size, timecode

TOLD = {"done": "restored", "failed": "failed", "left": "not done yet"}


def video_page(
    account: VideoAccount,
    shots: list[Shot],
    record: Artifact | None,
    looks: Looks,
    run_yaml: str,
    settings: ReportSettings,
) -> bytes:
    """Return the page of a video."""
    figures = {each.shot.number: each for each in looks.shots}
    recorded = recorded_shots(looks.provenance)
    flags = _flags(shots, figures, recorded)
    profile = _profile(looks, shots)
    return render(
        "video.html.j2",
        ("compare.js", "charts.js", "video.js"),
        _data(shots, looks, profile, {flag["shot"] for flag in flags}),
        home="../index.html",
        name=account.output,
        source=account.source,
        state=account.state,
        state_told=TOLD[account.state],
        problems=[*_remarks(account), *looks.problems],
        failures=account.failures,
        tiles=_tiles(account, shots, record, looks, flags),
        flags=flags,
        pictures=_strip(looks),
        pictures_told=_pictures_told(settings),
        charts=bool(looks.figures.numbers),
        measured_told=_measured_told(looks),
        profile=profile,
        shot_heads=shot_heads(recorded),
        shot_rows=shot_rows(shots, looks, recorded, flags),
        shots_left_out=f" of {len(shots)}; the others are in the manifest" if len(shots) > MOST_ROWS else "",
        provenance=provenance_groups(account, record, looks),
        stages=stage_rows(account),
        troubles=account.troubles(),
        chunk_stages=("split", *CHUNK_STAGES),
        chunk_rows=chunk_rows(account),
        record=json.dumps(looks.provenance, indent=2, ensure_ascii=False) if looks.provenance else "",
        settings=run_yaml,
    )


def _remarks(account: VideoAccount) -> list[str]:
    told = (
        ("Damaged at the source", account.damage),
        ("Not in the result", account.left_out),
        ("Sound", account.decoded_sound),
    )
    return [f"{what}: {which}" for what, which in told if which]


def summary(account: VideoAccount, shots: list[Shot], record: Artifact | None, looks: Looks) -> dict[str, Any]:
    """What the table of all videos shows of this one."""
    facts = record.facts if record else {}
    figures = {each.shot.number: each for each in looks.shots}
    worst = [each.consistency for each in looks.shots if each.consistency is not None]
    calm = [each.warping / each.input_warping for each in looks.shots if each.warping and each.input_warping]
    sharp = [each.sharpness / each.input_sharpness for each in looks.shots if each.sharpness and each.input_sharpness]
    seams = [each.seam for each in looks.shots if each.seam is not None]
    frames = facts.get("frames", shots[-1].stop if shots else None)
    return {
        "frames": frames,
        "shots": len(shots) or None,
        "chunks": len(account.content.chunk_rows()) or None,
        "bytes": facts.get("bytes"),
        "consistency": _short(min(worst), 1) if worst else None,
        "warping": _short(sum(calm) / len(calm), 2) if calm else None,
        "sharpness": _short(sum(sharp) / len(sharp), 2) if sharp else None,
        "seam": _short(max(seams), 2) if seams else None,
        "flags": len(_flags(shots, figures, recorded_shots(looks.provenance))),
        "problems": looks.problems,
    }


def _flags(shots: list[Shot], figures: Mapping[int, ShotFigures], recorded: RecordedShots) -> list[dict[str, Any]]:
    found = []
    for shot in shots:
        measured = figures.get(shot.number)
        texts = [*(measured.flags if measured else ()), *recorded.flags.get(shot.number, ())]
        for text in dict.fromkeys(texts):
            found.append({"shot": shot.number, "text": text, "frame": (shot.start + shot.stop) // 2})
    return found


def _tiles(
    account: VideoAccount, shots: list[Shot], record: Artifact | None, looks: Looks, flags: list[dict[str, Any]]
) -> list[tuple[str, str, str]]:
    tiles: list[tuple[str, str, str]] = []
    facts = looks.facts
    if "width" in facts:
        told = f"from {facts['input width']}×{facts['input height']}" if "input width" in facts else "restored size"
        tiles.append((f"{facts['width']}×{facts['height']}", told, ""))
    if looks.times:
        tiles.append((f"{len(looks.times):,}", "frames", ""))
        tiles.append((timecode(looks.times[-1] - looks.times[0]), "first to last frame", ""))
    if shots:
        seams = sum(len(shot.seams) for shot in shots)
        tiles.append((str(len(shots)), f"{plural('shot', len(shots))}, {seams} {plural('seam', seams)}", ""))
    if account.seconds() >= 1:
        tiles.append((duration(account.seconds()), "of work", ""))
    if record is not None:
        tiles.append((size(float(record.facts.get("bytes", record.size))), "restored file", ""))
    if looks.shots or flags:
        tiles.append((str(len(flags)), plural("flag", len(flags)), "warn" if flags else "good"))
    return tiles


def _strip(looks: Looks) -> list[dict[str, Any]]:
    if not looks.pictures:
        return []
    height = round(THUMBNAIL_WIDTH * looks.facts["height"] / looks.facts["width"] / looks.facts["sar"])
    return [
        {
            **{key: picture[key] for key in ("frame", "why")},
            "time": looks.time(picture["frame"]),
            "small_height": height,
        }
        for picture in looks.pictures
    ]


def _pictures_told(settings: ReportSettings) -> str:
    if settings.quality >= LOSSLESS:
        return "The pictures are without loss, rounded to 8 bits; the browser enlarges the input."
    return f"The pictures are compressed (WebP, quality {settings.quality}): look for fine differences in the files."


def _measured_told(looks: Looks) -> str:
    measured, total = len(looks.figures.numbers), len(looks.times)
    share = "All frames were" if measured == total else f"{measured:,} of {total:,} frames, some of each shot, were"
    return (
        f"{share} measured against the input, since there is no original. Consistency: how like the input the result "
        "is when made small again. Warping error: how much neighbouring frames differ when their motion is taken out. "
        "Sharpness: how much fine structure there is, right or invented."
    )


def _profile(looks: Looks, shots: list[Shot]) -> dict[str, Any] | None:
    if looks.profile is None:
        return None
    first, stop = looks.profile["first"], looks.profile["stop"]
    seams = [(a + b) / 2 - first for shot in shots for a, b in shot.seams if first < (a + b) / 2 < stop]
    cuts = [shot.start - first for shot in shots if first < shot.start < stop]
    return {**looks.profile, "seams": seams, "cuts": cuts}


def _data(shots: list[Shot], looks: Looks, profile: dict[str, Any] | None, flagged: set[int]) -> dict[str, Any]:
    facts, found = looks.facts, looks.figures
    of = [next(shot for shot in shots if shot.start <= number < shot.stop) for number in found.numbers]
    # A seam is marked where the frames that both chunks restored begin to be the later chunk's.
    middles = {(first + last) // 2 for shot in shots for first, last in shot.seams}
    charts = []
    if found.numbers:
        charts = [
            _chart("Consistency", " dB", "with the input; under 30 dB is flagged", restored=found.consistency),
            _chart("Warping error", "", "×10⁻³, lower is calmer", restored=found.warping, input=found.input_warping),
            _chart("Sharpness", "", "higher has more detail", restored=found.sharpness, input=found.input_sharpness),
        ]
    return {
        "width": round(facts.get("width", 0) * facts.get("sar", 1.0)),
        "height": facts.get("height", 0),
        "pictures": [{**picture, "time": looks.time(picture["frame"])} for picture in looks.pictures],
        "first": _first_shown(looks),
        "photos": [picture["frame"] for picture in looks.pictures],
        "points": {
            "frame": found.numbers,
            "shot": [shot.number for shot in of],
            "time": [looks.time(number) for number in found.numbers],
            "seam": [int(number in middles) for number in found.numbers],
        },
        "bandOf": {shot.number: index for index, shot in enumerate(shots)} if found.numbers else {},
        "flagged": sorted(flagged),
        "charts": charts,
        "profile": {key: value for key, value in profile.items() if key not in ("seams", "cuts")} if profile else None,
    }


def _first_shown(looks: Looks) -> int:
    """The picture that a page opens with: the one that is furthest from its input, if any was measured."""
    reasons = ["furthest from its input" in picture["why"] for picture in looks.pictures]
    return reasons.index(True) if True in reasons else 0


def _chart(title: str, unit: str, about: str, **series: list[float]) -> dict[str, Any]:
    names = {"restored": "restored", "input": "input, enlarged"}
    lines = [{"name": names[css], "css": css, "values": [_short(v) for v in values]} for css, values in series.items()]
    return {"title": title, "unit": unit, "about": about, "series": lines}


def _short(value: float | None, digits: int = 3) -> float | None:
    """A number as a page's data hold it: short, and None where there is none."""
    return None if value is None or isnan(value) else round(value, digits)
