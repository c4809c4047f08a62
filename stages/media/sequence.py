"""Folders of numbered images as videos: DPX, PNG and TIFF, one file for each frame."""

from __future__ import annotations

import re
import tempfile
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import av

from stages.contract import ItemError
from stages.media.account import Damage
from stages.media.ffmpeg import file_url
from stages.wording import plain

SUFFIXES = frozenset([".dpx", ".png", ".tif", ".tiff"])
_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>\.[^.]+)$")
_FEWEST = 2
_SAME_RATE = Fraction(1, 2000)
"""A share by which rates may differ that are written as 23.98 and 24000/1001; 24 and 23.976 differ by twice as much."""
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """The numbered images of a folder: of one kind, unless there is a conflict.

    Attributes:
        names: file names in order of their numbers; those that belong to no sequence come last.
        missing: (place in ``names`` before which images are missing, the first and the last of their numbers).
        conflict: "" if all of them are one sequence, else which are not and what to do, in one line. Such a folder
            cannot be opened, since images would be left out. It is hashed and downloaded whole all the same, so that it
            is refused wherever it lies, and counts as changed once it is in order.
    """

    names: tuple[str, ...]
    missing: tuple[tuple[int, int, int], ...]
    conflict: str = ""


def find_sequence(names: Iterable[str]) -> ImageSequence | None:
    """The numbered images among the file names of one folder: a sequence is what has one prefix and one suffix.

    Suffixes in small and large letters are the same. Files whose names begin with "." (macOS puts one, ``._name``,
    beside every file) and images without a number are passed over. Where images of another prefix or suffix, or two
    of one number, lie beside the largest sequence, ``conflict`` says so.

    None where there are no two images of one prefix and suffix.
    """
    groups: dict[tuple[str, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    numbered = []
    for name in sorted(names):
        match = None if name.startswith(".") else _NUMBERED.match(name)
        if not match or match["suffix"].lower() not in SUFFIXES:
            continue
        numbered.append(name)
        if len(match["number"]) <= _LONGEST_NUMBER:
            groups[match["prefix"], match["suffix"].lower()][int(match["number"])].append(name)
    group = max(groups.values(), key=len, default={})
    if sum(map(len, group.values())) < _FEWEST:
        return None
    numbers = sorted(group)
    missing = tuple(
        (place, earlier + 1, later - 1)
        for place, (earlier, later) in enumerate(pairwise(numbers), 1)
        if later - earlier > 1
    )
    found = tuple(group[number][0] for number in numbers)
    kept = set(found)
    others = tuple(name for name in numbered if name not in kept)
    return ImageSequence((*found, *others), missing, _conflict(group, found, others))


def _conflict(group: Mapping[int, Sequence[str]], found: Sequence[str], others: Sequence[str]) -> str:
    for same in group.values():
        if len(same) > 1:
            return f"{plain(same[0])} and {plain(same[1])} have the same number; move one of them to another folder"
    if not others:
        return ""
    return (
        f"the sequence {plain(found[0])} to {plain(found[-1])} would leave out {len(others)} of "
        f"{len(found) + len(others)} numbered images, {plain(others[0])} first; move what is not of it to another "
        "folder"
    )


class SequenceContainer:
    """A PyAV container over the images of a folder, whatever they are called: FFmpeg sees links with plain numbers.

    FFmpeg takes an image of no bytes for the end of the sequence, so there are no links to those.

    Attributes:
        missing: images that the numbering lacks, that have no bytes, or at which reading ended too soon, and a rate
            that they state and that is not the one they are shown at; complete when all packets have been read.
        metadata: the time code in the header of the first image, if it has one (DPX).

    Raises:
        ItemError: there is no sequence, images of it would be left out (``ImageSequence.conflict``), all have no bytes,
            or the first that has some cannot be opened.
    """

    def __init__(self, folder: Path, rate: Fraction) -> None:
        sequence = find_sequence(path.name for path in folder.iterdir() if path.is_file())
        if sequence is None:
            raise ItemError(f"{folder.name}: no numbered DPX, PNG or TIFF images in this folder")
        if sequence.conflict:
            raise ItemError(f"{folder.name}: {sequence.conflict}")
        self._names, self._rate = sequence.names, rate
        self._places = tuple(place for place, name in enumerate(self._names) if (folder / name).stat().st_size)
        if not self._places:
            raise ItemError(
                f"{folder.name}: all {len(self._names)} images have 0 bytes; fetch them again from their origin"
            )
        self.missing = tuple(self._not_there(sequence))
        self._links = tempfile.TemporaryDirectory(prefix="reelift-sequence-")
        suffix = Path(self._names[0]).suffix.lower()
        for number, place in enumerate(self._places):
            target = (folder / self._names[place]).absolute()
            (Path(self._links.name) / f"{number:09d}{suffix}").symlink_to(target)
        pattern = file_url(Path(self._links.name) / f"%09d{suffix}")
        options = {"framerate": str(rate), "start_number": "0", "protocol_whitelist": "file"}
        try:
            self._container = av.open(pattern, "r", format="image2", options=options)
            self.metadata, stated = _header(pattern, options) if suffix == ".dpx" else ({}, None)
        except (av.error.FFmpegError, ValueError) as error:
            self._links.cleanup()
            reason = getattr(error, "strerror", None) or error
            first = plain(self._names[self._places[0]])
            raise ItemError(f"{folder.name}: {first} cannot be opened as an image ({reason})") from None
        self.name = file_url(folder)
        if stated and abs(stated / rate - 1) > _SAME_RATE:
            told = f"the images say {float(stated):.6g} frames a second, they are shown at {float(rate):.6g}"
            self.missing += (self._damage(0, f"{told} (split.sequence_rate)"),)

    def _not_there(self, sequence: ImageSequence) -> Iterator[Damage]:
        for place, first, last in sequence.missing:
            which = f"image {first} of the sequence is"
            if last > first:
                which = f"images {first} to {last} ({last - first + 1}) of the sequence are"
            yield self._damage(place, f"{which} missing, the next follow without a gap")
        for place in sorted(set(range(len(self._names))) - set(self._places)):
            yield self._damage(place, f"image {plain(self._names[place])} has 0 bytes")

    def _damage(self, place: int, what: str) -> Damage:
        return Damage(frame=bisect_left(self._places, place), seconds=float(place / self._rate), what=what)

    def demux(self, *streams: Any) -> Iterator[Any]:
        """The packets as PyAV gives them, at the time of their image's place in the folder."""
        read = 0
        for packet in self._container.demux(*streams):
            if packet.size:
                packet.pts = packet.dts = self._places[read]
                read += 1
            elif read < len(self._places):
                place = self._places[read]
                what = f"reading ends at image {plain(self._names[place])}"
                lost = f"{len(self._places) - read} of {len(self._names)} are not read"
                self.missing += (self._damage(place, f"{what}, {lost}"),)
            yield packet

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


def _header(pattern: str, options: Mapping[str, str]) -> tuple[dict[str, str], Fraction | None]:
    """Time code as a tag, and frames per second, as the first image of a sequence of DPX has them, if it does."""
    with av.open(pattern, "r", format="image2", options=dict(options)) as container:
        stream = container.streams.video[0]
        try:
            picture = next(container.decode(stream), None)
        except av.error.FFmpegError:  # a damaged image, of which the survey will tell
            return {}, None
        timecode = picture.metadata.get("timecode") if picture is not None else None
        rate = stream.codec_context.framerate
        return {"timecode": timecode} if timecode else {}, rate if rate and 0 < rate <= 1000 else None
