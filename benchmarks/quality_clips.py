"""The clips on which quality is measured, and the damaged inputs that are made from them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.clip import Clip, Rgb
from stages.contract import ItemError
from stages.media.frames import FrameWriter, read_frames, rgb_format
from training.data.catalogue import FILM, PHOTOGRAPHS
from training.data.fetch import fetch
from training.data.motion import Motion, render
from training.data.photographs import read_photograph
from training.degradations import SCALE, Degradation, degrade, shrink

SAMPLES = Path(__file__).parent.parent / "samples"
LEAST_SIDE = 16
"""Pixels of the input; what is smaller says nothing."""

DAMAGES = {"clean": Degradation.clean, "degraded": Degradation.real_world, "archive": Degradation.archive}
"""Kind of damage as the command names it -> degradation of the training clips."""

BUNNY_START, BUNNY_FRAMES = 8234, 46
"""Of every 460 frames of the film the last 46 hold no training clip, only held-out ones (``training.data.film``)."""
BUNNY_SHRINK = 3 / 4
"""As the training clips are shrunk: it hides most of the film's own compression."""

PHOTOGRAPH = "aitzgorri_by_Aitzol_Berasategi.jpg"
PHOTOGRAPH_SIDE, PHOTOGRAPH_FRAMES = 720, 48
CAMERA = Motion(x=2.7, y=0.9, zoom=-0.002, turn=0.0015, shake=0.8, shake_frequency=0.9)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the frames of a clip come from.

    Attributes:
        name: short; names the clip in the tables and files.
        origin: in words.
        licence: SPDX identifier; empty for files that were named on the command line.
        rate: frames per second.
        frames: folder of downloaded packages -> the frames ``[h, w, 3]`` in [0, 1].
    """

    name: str
    origin: str
    licence: str
    rate: Fraction
    frames: Callable[[Path], Iterator[Rgb]]


def _city(packages: Path) -> Iterator[Rgb]:
    return Clip.open(SAMPLES / "city_original.mkv").frames()


def _bunny(packages: Path) -> Iterator[Rgb]:
    file = fetch(FILM, packages)[FILM.files[0].path]
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or Fraction(24)
        container.seek(int(Fraction(BUNNY_START, 1) / rate / Fraction(stream.time_base or 1)), stream=stream)
        for picture in container.decode(stream):
            number = round((picture.pts or 0) * Fraction(stream.time_base or 1) * rate)
            if number >= BUNNY_START + BUNNY_FRAMES:
                return
            if number >= BUNNY_START:
                yield _shrunk(picture.to_ndarray(format="rgb24"))


def _shrunk(rgb: NDArray[np.uint8]) -> Rgb:
    planes = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    size = (round(rgb.shape[0] * BUNNY_SHRINK), round(rgb.shape[1] * BUNNY_SHRINK))
    return np.ascontiguousarray(shrink(planes, size).clamp(0, 1)[0].permute(1, 2, 0).numpy())


def _mountain(packages: Path) -> Iterator[Rgb]:
    package = next(each for each in PHOTOGRAPHS if any(file.name == PHOTOGRAPH for file in each.files))
    package = replace(package, files=tuple(file for file in package.files if file.name == PHOTOGRAPH))
    photograph = read_photograph(fetch(package, packages)[package.files[0].path], PHOTOGRAPH, PHOTOGRAPH_SIDE)
    generator = torch.Generator().manual_seed(0)
    photo = photograph.levels[0].float() / 255
    clip, _ = render(photo, CAMERA, PHOTOGRAPH_SIDE, PHOTOGRAPH_FRAMES, generator, shutter=0.25)
    return (np.ascontiguousarray(frame.permute(1, 2, 0).numpy()) for frame in clip)


DEVELOPMENT: dict[str, Source] = {
    source.name: source
    for source in (
        Source("city", "`samples/city_original.mkv`: towers at night", "CC0-1.0", Fraction(25), _city),
        Source(
            "bunny",
            f"Big Buck Bunny (Blender Foundation, www.bigbuckbunny.org), frames {BUNNY_START} to "
            f"{BUNNY_START + BUNNY_FRAMES - 1}, reduced to 960x540, out of the package moviepy {FILM.version}; "
            "rendered, the camera moves; no training clip is cut from these frames, but some are from the same film",
            "CC-BY-3.0",
            Fraction(24),
            _bunny,
        ),
        Source(
            "mountain",
            "a photograph by Aitzol Berasategi (`aitzgorri`, reduced to a half, out of Debian's "
            "lomiri-wallpapers-16.04), seen by a moving camera; kept out of training",
            "CC-BY-4.0",
            Fraction(25),
            _mountain,
        ),
    )
}
"""Name -> the clips that a fresh checkout can have. None of them is among those that are reserved for the last test."""


def choose(names: Sequence[str]) -> list[Source]:
    """The development clips and files that are named; all development clips if none is.

    Raises:
        ItemError: one line: neither a development clip nor a video, or two clips of one name.
    """
    chosen = [DEVELOPMENT[name] if name in DEVELOPMENT else _given(Path(name)) for name in names or DEVELOPMENT]
    called = [source.name for source in chosen]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise ItemError(f"two clips are called {twice[0]}; rename one of the files")
    return chosen


def _given(path: Path) -> Source:
    if not path.exists():
        raise ItemError(f"{path}: neither a file nor one of the development clips ({', '.join(DEVELOPMENT)})")
    clip = Clip.open(path)
    return Source(path.stem, f"`{path.name}`", "", clip.facts.rate, lambda _: clip.frames())


def write_original(
    source: Source, packages: Path, target: Path, frames: int, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Write the first frames of a clip as R'G'B' at 10 bits, cropped about its middle.

    Args:
        source: the clip.
        packages: where downloaded packages are kept.
        target: the file to write.
        frames: how many.
        size: width and height of the *input* that will be made from it; None takes all that divides by 4.

    Returns:
        what the clip is, JSON-compatible; ``size`` is the input's width and height.

    Raises:
        ItemError: the clip is smaller or shorter than asked for, or cannot be decoded.
        training.data.fetch.FetchError: its package cannot be had.
    """
    held = islice(source.frames(packages), frames)
    first = next(held)
    high, wide = first.shape[:2]
    width, height = size or (wide // SCALE, high // SCALE)
    if width * SCALE > wide or height * SCALE > high or min(width, height) < LEAST_SIDE:
        asked = f"{width * SCALE}x{height * SCALE}, at least {LEAST_SIDE * SCALE} a side"
        raise ItemError(f"{source.name} is too small: {wide}x{high}, and {asked}, is needed")
    top, left = (high - height * SCALE) // 2, (wide - width * SCALE) // 2
    count = 0
    with FrameWriter(target, rgb_format(width * SCALE, height * SCALE, rate=source.rate)) as writer:
        for frame in (first, *held):
            writer.write(frame[top : top + height * SCALE, left : left + width * SCALE])
            count += 1
    if count < frames:
        raise ItemError(f"{source.name} is too short: {count} frames, and {frames} are needed")
    about = {"name": source.name, "origin": source.origin, "licence": source.licence}
    return {**about, "frames": count, "size": [width, height], "rate": str(source.rate)}


def write_input(original: Path, target: Path, name: str, damage: str, seed: int, rate: Fraction) -> Path:
    """Make the input of restoration by 4: what a clip's damage is depends on its name, the kind and the seed alone."""
    frames = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in read_frames(original)])
    generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(f"{name}/{damage}".encode()))
    low = degrade(frames, DAMAGES[damage], generator).permute(0, 2, 3, 1).numpy()
    with FrameWriter(target, rgb_format(low.shape[2], low.shape[1], rate=rate)) as writer:
        for frame in low:
            writer.write(np.ascontiguousarray(frame))
    return target
