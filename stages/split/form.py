"""The form of pictures: size, pixel format, shape of a sample and meaning of the code values. Most decide for all."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TypeVar

import av

from stages.media.account import Damage, Resized
from stages.media.colour import UNSPECIFIED, ColourTags, Matrix, matrix_reason
from stages.media.probe import VideoFacts, colour_tags, format_kind

T = TypeVar("T")
Raster = tuple[int, int, str]
"""Width, height and pixel format."""
Tags = tuple[int, int, int, int]
"""Matrix, range, primaries and transfer, as FFmpeg numbers them."""

_SILENT: tuple[tuple[int, ...], ...] = ((0, 2, 3), (0,), (0, 2), (0, 2))
_SAME_WEIGHTS = frozenset([Matrix.BT470BG, Matrix.SMPTE170M])
_SAME_CURVE = frozenset([1, 6, 14, 15])
"""Transfer characteristics of H.273 that are one function: BT.709, BT.601, BT.2020."""
_SAME_SHAPE = 0.005
"""Display aspect ratios that differ by less are rounded differently."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a picture is, as far as it says so itself.

    Attributes:
        raster: width, height and pixel format.
        sar: sample aspect ratio; None if nothing says so.
        tags: of colour, as FFmpeg has them: some may be unspecified.
    """

    raster: Raster
    sar: Fraction | None
    tags: Tags


@dataclass(frozen=True, slots=True)
class Turn:
    """How a player turns a picture: by ``rotation`` degrees counter-clockwise, then left for right if ``mirrored``."""

    rotation: int
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Usual:
    """The form of most frames, to which the others are brought.

    Attributes:
        raster: width, height and pixel format.
        sar: sample aspect ratio.
        tags: of colour, as far as any frame has them.
        colour: what the code values mean.
        reason: by what the matrix was decided.
    """

    raster: Raster
    sar: Fraction
    tags: Tags
    colour: ColourTags
    reason: str

    def colour_of(self, form: Form, codec: str) -> ColourTags:
        """What the code values of a picture mean. What it does not say is as in the others of its size.

        Raises:
            ItemError: see ``colour.decide_matrix``.
        """
        width, height, pix_fmt = form.raster
        if form.raster[:2] != self.raster[:2] or not self.is_of_kind(form.raster):
            return colour_tags(pix_fmt, width, height, form.tags, codec)
        said = zip(form.tags, self.tags, _SILENT, strict=True)
        matrix, code_range, primaries, transfer = (usual if tag in silent else tag for tag, usual, silent in said)
        return colour_tags(pix_fmt, width, height, (matrix, code_range, primaries, transfer), codec)

    def is_of_kind(self, raster: Raster) -> bool:
        """Whether pictures of a raster are Y'CbCr, R'G'B' or grey as these are."""
        return format_kind(raster[2]) == format_kind(self.raster[2])

    def has_codes_of(self, colour: ColourTags) -> bool:
        """Whether code values of that meaning are right as they are: same range, same weights of the matrix."""
        same = colour.matrix == self.colour.matrix or {colour.matrix, self.colour.matrix} <= _SAME_WEIGHTS
        return same and colour.range == self.colour.range


def raster_of(picture: av.VideoFrame) -> Raster:
    """Width, height and pixel format."""
    return picture.width, picture.height, picture.format.name


def tags_of(picture: av.VideoFrame) -> Tags:
    """The tags of a picture as it was decoded."""
    code_range = 2 if picture.format.name.startswith("yuvj") else int(picture.color_range)
    return int(picture.colorspace), code_range, int(picture.color_primaries), int(picture.color_trc)


def turn_of(picture: av.VideoFrame) -> Turn:
    """What the display matrix of a picture says."""
    try:
        matrices = [bytes(side) for side in picture.side_data if side.type.name == "DISPLAYMATRIX"]
    except ValueError:  # side data of a type that PyAV does not know
        matrices = []
    for a, b, _, c, d, *_ in (struct.unpack("=9i", matrix) for matrix in matrices):
        if a * d < b * c:  # FFmpeg tells the rotation by the first row, which is mirrored
            return Turn((-picture.rotation) % 360 - 180, True)
    return Turn(picture.rotation, False)


def spelled(raster: Raster) -> str:
    """Size and pixel format for people."""
    return f"{raster[0]}x{raster[1]} {raster[2]}"


def most(forms: Sequence[Form], facts: VideoFacts) -> Usual:
    """The form of most frames: first by raster, then, among those, by shape and by each tag that says anything.

    Args:
        forms: of all frames, in order.
        facts: what the headers say, which counts where no frame says anything.

    Raises:
        ItemError: see ``colour.decide_matrix``.
    """
    raster = Counter(form.raster for form in forms).most_common(1)[0][0]
    alike = Counter(form for form in forms if form.raster == raster).items()
    sar = _commonest((form.sar, count) for form, count in alike if form.sar)
    matrix, code_range, primaries, transfer = (
        _commonest((form.tags[place], count) for form, count in alike if form.tags[place] not in silent)
        for place, silent in enumerate(_SILENT)
    )
    tags = (matrix or 2, code_range or 0, primaries or 2, transfer or 2)
    width, height, pix_fmt = raster
    colour = colour_tags(pix_fmt, width, height, tags, facts.codec)
    return Usual(raster, sar or facts.sar, tags, colour, matrix_reason(tags[0], colour.matrix, height))


def _commonest(values: Iterable[tuple[T, int]]) -> T | None:
    found: Counter[T] = Counter()
    for value, count in values:
        found[value] += count
    return found.most_common(1)[0][0] if found else None


def others(forms: Sequence[Form], usual: Usual, codec: str) -> list[Resized]:
    """The runs of frames that have another form than most."""
    return [
        Resized(start=start, stop=stop, form=f"{spelled(form.raster)}{what}")
        for form, start, stop in _runs(forms)
        if (what := _difference(form, usual, codec)) or form.raster != usual.raster
    ]


def not_kept(forms: Sequence[Form], usual: Usual, codec: str, seconds: Callable[[int], float]) -> list[Damage]:
    """What bringing all frames to one form takes from others: their shape, and colours that tags alone tell.

    One line for each kind of loss, at the first frame: ``others`` has every run.

    Args:
        forms: of all frames, in order.
        usual: the form of most.
        codec: of the stream.
        seconds: time of a frame.
    """
    runs: dict[str, list[tuple[int, int]]] = {}
    for form, start, stop in _runs(forms):
        lost = " and ".join([*_shape_lost(form, usual), *_tags_lost(form, usual, codec)])
        if lost:
            runs.setdefault(lost, []).append((start, stop))
    found = []
    for lost, places in runs.items():
        first, frames = places[0][0], sum(stop - start for start, stop in places)
        where = f" in {len(places)} places" if len(places) > 1 else ""
        what = f"{frames} frames{where} {lost} (to keep it, cut them out and restore them apart)"
        found.append(Damage(frame=first, seconds=seconds(first), what=what))
    return found


def _runs(forms: Sequence[Form]) -> Iterator[tuple[Form, int, int]]:
    start = 0
    for form, run in groupby(forms):
        stop = start + sum(1 for _ in run)
        yield form, start, stop
        start = stop


def _difference(form: Form, usual: Usual, codec: str) -> str:
    """Shape and meaning of a form where they differ from those of most, for people; "" if they do not."""
    colour = usual.colour_of(form, codec)
    parts = []
    if form.sar and form.sar != usual.sar:
        parts.append(f"samples of {form.sar.numerator}:{form.sar.denominator}")
    if usual.is_of_kind(form.raster) and not usual.has_codes_of(colour):
        parts.append(f"{colour.matrix.name}, {colour.range.name.lower()} range")
    return "".join(f", {part}" for part in (*parts, *_other_tags(colour, usual.colour)))


def _shape_lost(form: Form, usual: Usual) -> list[str]:
    (width, height, _), (columns, rows, _) = form.raster, usual.raster
    theirs = width * float(form.sar or (usual.sar if form.raster == usual.raster else 1)) / height
    ours = columns * float(usual.sar) / rows
    if abs(theirs / ours - 1) < _SAME_SHAPE:
        return []
    return [f"of {theirs:.2f}:1 in shape are shown as {ours:.2f}:1 like most"]


def _tags_lost(form: Form, usual: Usual, codec: str) -> list[str]:
    theirs = _other_tags(usual.colour_of(form, codec), usual.colour)
    ours = _other_tags(usual.colour, usual.colour_of(form, codec))
    return [f"of {' and '.join(theirs)} are tagged {' and '.join(ours)} like most"] if theirs else []


def _other_tags(colour: ColourTags, than: ColourTags) -> list[str]:
    """The tags of ``colour`` that nothing is converted by, where both have one and they mean something else."""
    found = []
    if UNSPECIFIED not in (colour.primaries, than.primaries) and colour.primaries != than.primaries:
        found.append(f"primaries {colour.primaries}")
    curves = {colour.transfer, than.transfer}
    if UNSPECIFIED not in curves and len(curves) > 1 and not curves <= _SAME_CURVE:
        found.append(f"transfer {colour.transfer}")
    return found
