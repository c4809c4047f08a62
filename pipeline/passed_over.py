"""What lies in the input folders and is not taken, so that nobody believes it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.rows import SourceRow
from pipeline.source_files import plain
from pipeline.sources import SUFFIXES
from pipeline.storage import Storage
from stages.media.sequence import SUFFIXES as IMAGES


def passed_over(inputs: Sequence[str | Path], rows: Sequence[SourceRow]) -> dict[str, int]:
    """Count the files below the input folders that are neither videos nor images of a sequence, by suffix.

    Hidden files are not counted; a file without a suffix counts under "".

    Args:
        inputs: files, folders, globs and URLs as given.
        rows: what was found in them.
    """
    taken = {row.output for row in rows}
    counts: Counter[str] = Counter()
    for given in inputs:
        place = Storage(given)
        if not place.fs.isdir(place.root):
            continue
        for name in map(PurePosixPath, map(plain, place.tree())):
            suffix = name.suffix.lower()
            folder = str(name.parent) if name.parent.name else plain(Path(place.root).name)
            image = suffix in IMAGES and folder in taken
            if suffix not in SUFFIXES and not image and not name.name.startswith("."):
                counts[suffix] += 1
    return dict(counts.most_common())
