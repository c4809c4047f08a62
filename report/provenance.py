"""Where a video comes from and what was done to it, in groups of facts; and figures that its provenance file brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifacts import Artifact
from report.account import VideoAccount
from report.looking import Looks
from report.shots import Shot
from report.wording import size


@dataclass(slots=True)
class RecordedShots:
    """Per-shot figures of a provenance file.

    Attributes:
        names: of the figures, in the file's order.
        values: number of the shot -> name -> value as shown.
        flags: number of the shot -> sentences.
    """

    names: tuple[str, ...] = ()
    values: dict[int, dict[str, str]] = field(default_factory=dict)
    flags: dict[int, tuple[str, ...]] = field(default_factory=dict)


def recorded_shots(provenance: Mapping[str, Any] | None, shots: Sequence[Shot]) -> RecordedShots:
    """The figures of shots that a provenance file holds; nothing where it has none, or in another form."""
    found = RecordedShots()
    rows = _rows(provenance)
    names: dict[str, None] = {}
    starts = {shot.start: shot.number for shot in shots}
    for index, row in enumerate(rows):
        number = row.get("shot", row.get("number", starts.get(row.get("start", -1), index)))
        if not isinstance(number, int):
            continue
        values = {}
        for name, value in row.items():
            if isinstance(value, bool) or name in ("shot", "number", "start", "stop", "frames", "first", "last"):
                continue
            if isinstance(value, int | float):
                values[name.replace("_", " ")] = f"{value:.2f}" if isinstance(value, float) else str(value)
        names.update(dict.fromkeys(values))
        found.values[number] = values
        flags = row.get("flags", row.get("flag"))
        told = flags if isinstance(flags, list) else [flags] if isinstance(flags, str) and flags else []
        found.flags[number] = tuple(str(flag) for flag in told)
    found.names = tuple(names)
    return found


def _rows(provenance: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    for place in ((provenance or {}).get("figures"), (provenance or {}).get("fidelity"), provenance):
        if isinstance(place, Mapping) and isinstance(place.get("shots"), list):
            place = place["shots"]
        if isinstance(place, list) and place and all(isinstance(row, Mapping) for row in place):
            return place
    return []


def provenance_groups(account: VideoAccount, record: Artifact | None, looks: Looks) -> list[dict[str, Any]]:
    """Source, result and files, as (name, value) pairs under a title."""
    source = [
        ("path", account.source),
        ("size", size(account.size)),
        ("SHA-256", account.sha256 or "not known: it could not be read"),
    ]
    groups = [{"title": "Source", "facts": source, "mono": True}]
    if record is None:
        return groups
    facts = [(name.replace("_", " "), str(value)) for name, value in record.facts.items() if value not in ("", None)]
    shown = [(name, str(value)) for name, value in looks.facts.items() if name not in ("sar",)]
    published = [("published", account.finished), ("fingerprint", record.fingerprint)]
    groups.append({"title": "Result", "facts": [*published, *shown, *facts], "mono": False})
    files = [(file.name, f"{size(file.size)}, SHA-256 {file.sha256}") for file in record.files]
    groups.append({"title": "Files", "facts": files, "mono": True})
    return groups
