"""What lies in the input folders and is not taken, so that nobody believes it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.places import is_local, local_path
from pipeline.rows import SourceRow
from pipeline.searching import walk
from pipeline.sources import SUFFIXES
from pipeline.storage import Storage
from stages.media.sequence import SUFFIXES as IMAGES
from stages.wording import plain


def linked_folders(inputs: Sequence[str | Path]) -> list[str]:
    """Links to folders below the input folders: they are not followed, since they may lead anywhere, or in circles.

    Raises:
        InputError: if a folder cannot be listed.
    """
    places = [local_path(given) for given in map(str, inputs) if given and is_local(given)]
    return [plain(str(link)) for place in places for link in _links(place)]


def _links(place: Path) -> list[Path]:
    found = (Path(folder) / name for folder, names, _ in walk(place) for name in names)
    return sorted(path for path in found if path.is_symlink())


def passed_over(inputs: Sequence[str | Path], rows: Sequence[SourceRow]) -> dict[str, int]:
    """Count the files below the input folders that are neither videos nor images of a sequence, by suffix.

    Hidden files are not counted; a file without a suffix counts under "".

    Args:
        inputs: files, folders, globs and URLs as given.
        rows: what was found in them.

    Raises:
        InputError: if a folder cannot be listed.
    """
    taken = {row.output for row in rows}
    counts: Counter[str] = Counter()
    for given in inputs:
        place = Storage(given)
        if not place.fs.isdir(place.root):
            continue
        links = {str(link.relative_to(place.root)) for link in _links(Path(place.root))} if place.is_local else set()
        for name in (PurePosixPath(plain(name)) for name in place.tree() if name not in links):
            suffix = name.suffix.lower()
            folder = str(name.parent) if name.parent.name else plain(Path(place.root).name)
            image = suffix in IMAGES and folder in taken
            if suffix not in SUFFIXES and not image and not name.name.startswith("."):
                # A link on a page of the web may carry a signature, which nobody is to be told.
                counts["".join(suffix.partition("?")[:2])] += 1
    return dict(counts.most_common())
