"""Folders of numbered images as videos: DPX, PNG and TIFF, one file for each frame."""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import av

from stages.contract import ItemError
from stages.media.account import Damage
from stages.media.ffmpeg import file_url

SUFFIXES = frozenset([".dpx", ".png", ".tif", ".tiff"])
_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>\.[^.]+)$")
_FEWEST = 2
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """Numbered images of one kind.

    Attributes:
        names: file names in order of their numbers.
        missing: (place in ``names`` before which images are missing, how many, their numbers as text).
    """

    names: tuple[str, ...]
    missing: tuple[tuple[int, int, str], ...]


def find_sequence(names: Iterable[str]) -> ImageSequence | None:
    """The images among the file names of one folder: those of the largest group with one prefix and suffix.

    None where fewer than two are numbered.
    """
    groups: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for name in sorted(names):
        match = _NUMBERED.match(name)
        if match and match["suffix"].lower() in SUFFIXES and len(match["number"]) <= _LONGEST_NUMBER:
            groups[match["prefix"], match["suffix"]].setdefault(int(match["number"]), name)
    if not groups:
        return None
    group = max(groups.values(), key=len)
    if len(group) < _FEWEST:
        return None
    numbers = sorted(group)
    missing = tuple(
        (place, later - earlier - 1, f"{earlier + 1}" if later - earlier == 2 else f"{earlier + 1} to {later - 1}")
        for place, (earlier, later) in enumerate(pairwise(numbers), 1)
        if later - earlier > 1
    )
    return ImageSequence(tuple(group[number] for number in numbers), missing)


class SequenceContainer:
    """A PyAV container over the images of a folder, whatever they are called: FFmpeg sees links with plain numbers.

    Attributes:
        missing: images that the numbering lacks.
    """

    def __init__(self, folder: Path, rate: Fraction) -> None:
        sequence = find_sequence(path.name for path in folder.iterdir() if path.is_file())
        if sequence is None:
            raise ItemError(f"{folder.name}: no numbered DPX, PNG or TIFF images in this folder")
        self.missing = tuple(
            Damage(frame=place, seconds=float(place / rate), what=f"image {numbers} of the sequence is missing")
            for place, _, numbers in sequence.missing
        )
        self._links = tempfile.TemporaryDirectory(prefix="reelift-sequence-")
        suffix = Path(sequence.names[0]).suffix.lower()
        for number, name in enumerate(sequence.names):
            (Path(self._links.name) / f"{number:09d}{suffix}").symlink_to((folder / name).absolute())
        pattern = file_url(Path(self._links.name) / f"%09d{suffix}")
        options = {"framerate": str(rate), "start_number": "0", "protocol_whitelist": "file"}
        try:
            self._container = av.open(pattern, "r", format="image2", options=options)
        except (av.error.FFmpegError, ValueError) as error:
            self._links.cleanup()
            reason = getattr(error, "strerror", None) or error
            raise ItemError(f"{folder.name}: {sequence.names[0]} cannot be opened as an image ({reason})") from None
        self.name = file_url(folder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def close(self) -> None:
        """Close the images and remove the links."""
        self._container.close()
        self._links.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
