"""Where a video comes from and what was done to it, in groups of facts; and figures that its provenance file brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifacts import Artifact
from report.account import VideoAccount
from report.looking import Looks
from report.wording import size

_PLACES = ("shot", "first_frame", "end_frame")
_FLAGGED = "departs from its input in places (maps)"
_MAPS = {
    "residual_percent": "made small again, it differs from its input",
    "beyond_source_percent": "more detail than its input can bear",
}


@dataclass(slots=True)
class RecordedShots:
    """Per-shot figures of a provenance file.

    Attributes:
        names: of the figures, in the file's order.
        values: number of the shot -> name -> value as shown.
        flags: number of the shot -> sentences.
        maps: number of the shot -> (what, percent where it is most, rows of the picture's cells as shares of that).
    """

    names: tuple[str, ...] = ()
    values: dict[int, dict[str, str]] = field(default_factory=dict)
    flags: dict[int, tuple[str, ...]] = field(default_factory=dict)
    maps: dict[int, list[tuple[str, float, list[list[float]]]]] = field(default_factory=dict)


def recorded_shots(provenance: Mapping[str, Any] | None) -> RecordedShots:
    """The figures of shots that a provenance file holds; nothing where it has none, or in another form."""
    found = RecordedShots()
    names: dict[str, None] = {}
    rows = (provenance or {}).get("shots")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping) or not isinstance(row.get("shot"), int):
            continue
        number = row["shot"]
        values = {
            name.replace("_db", " dB").replace("_", " "): f"{value:.2f}" if isinstance(value, float) else str(value)
            for name, value in row.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in _PLACES
        }
        names.update(dict.fromkeys(values))
        found.values[number] = values
        found.flags[number] = (_FLAGGED,) if row.get("flagged") is True else ()
        if row.get("flagged") is True:
            maps = [(told, *_shares(row[name])) for name, told in _MAPS.items() if _is_map(row.get(name))]
            found.maps[number] = [each for each in maps if each[1] > 0]
    found.names = tuple(names)
    return found


def _shares(cells: list[list[float]]) -> tuple[float, list[list[float]]]:
    most = max((cell for row in cells for cell in row), default=0.0)
    return most, [[round(cell / most, 2) if most > 0 else 0.0 for cell in row] for row in cells]


def _is_map(value: Any) -> bool:
    return (
        bool(value)
        and isinstance(value, list)
        and all(isinstance(cells, list) and all(isinstance(cell, int | float) for cell in cells) for cells in value)
    )


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
