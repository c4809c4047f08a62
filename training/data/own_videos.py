"""Clips cut out of somebody's own videos. Files that give none are named and left out; the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
from torch import Tensor

from stages.contract import ItemError
from training.data.film import SCALES, film_clips


def own_files(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, in the order of their names.

    Raises:
        ValueError: if it is no folder, or an empty one.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: is not a folder; name one that holds videos")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ValueError(f"{folder}: is empty; put videos into it")
    return files


def own_clips(
    folder: Path, size: int, frames: int, every: int, seed: int, report: Callable[[str], None]
) -> Iterator[tuple[Tensor, dict[str, Any], bool]]:
    """Cut clips out of every video below ``folder``; see ``film_clips`` for the numbers and for what is yielded.

    A file that gives no clip (not a video, too small, too short, still), cannot be read or breaks off is named to
    ``report`` in one line with the reason.

    Raises:
        ValueError: if the folder is empty, or none of its files gives a clip.
    """
    files, total = own_files(folder), 0
    for path in files:
        name, count = path.relative_to(folder).as_posix(), 0
        try:
            for clip, record, held_out in film_clips(path, size, frames, every, seed):
                count += 1
                yield clip, {**record, "film": name}, held_out
        except (ItemError, av.error.FFmpegError, ValueError, OSError) as error:
            reason = f"after {count} clips: {error}" if count else f"left out: {error}"
            report(f"{name}: {' '.join(reason.split())}")
        else:
            if not count:
                report(f"{name}: left out: too short for {frames} frames, still, or full of cuts")
        total += count
    if not total:
        smallest = round(size / min(SCALES))
        raise ValueError(
            f"{folder}: none of its {len(files)} files gives a clip; "
            f"{size} pixels need videos that move, of {frames} frames and {smallest} pixels a side or more"
        )
