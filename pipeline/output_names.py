"""The names that results will have in the output, refused where two of them would be in each other's way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from unicodedata import normalize

from pipeline.rows import SourceRow
from pipeline.searching import InputError

FILES = (
    *(".mkv", ".framemd5", ".provenance.json", ".premis.xml", ".sha256", ".mcc"),
    *(".prores.mov", ".h264.mp4", ".h265.mp4", ".av1.mp4", ".dpx", ".png", ".bag"),
)
"""What may be written of a video as files and folders beside each other: its name and one of these."""


def add_row(rows: dict[str, SourceRow], row: SourceRow) -> None:
    """Put a row among those found before it, by its place in the output, however case and accents are written.

    Raises:
        InputError: if another video would be published under the same name.
    """
    other = rows.setdefault(normalize("NFC", row.output).casefold(), row)  # macOS has one file for both ways
    if other.url == row.url:
        return
    if other.shown == row.shown:  # which is what the manifest knows them by
        raise InputError(
            f"{row.shown} is given twice, with different parameters or credentials, and both would become "
            f"{row.output}.mkv; give it once, or run them with different outputs and workspaces"
        )
    raise InputError(
        f"{other.shown} and {row.shown} would both become {row.output}.mkv; rename one, or run them with different "
        "output folders"
    )


def refuse_folders_in_the_way(rows: Mapping[str, SourceRow]) -> None:
    """See that no video would be published in a folder that has the name of another one's file.

    Raises:
        InputError: if one would.
    """
    for row in rows.values():
        for folder in PurePosixPath(row.output).parents:
            for suffix in FILES:
                place = str(folder).casefold()
                other = rows.get(place.removesuffix(suffix)) if place.endswith(suffix) else None
                if other is not None:
                    raise InputError(
                        f"{other.shown} would have a file {other.output}{suffix} in the output, and {row.shown} would "
                        "go into a folder of that name; rename one, or run them with different output folders"
                    )
