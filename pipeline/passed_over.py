"""What lies in the input folders and is not taken, so that nobody believes it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pipeline.file_systems import file_system
from pipeline.places import is_local, local_path, redact
from pipeline.rows import SourceRow
from pipeline.searching import remote_files, walk
from pipeline.sources import SUFFIXES
from pipeline.storage import Storage
from stages.media.sequence import SUFFIXES as IMAGES
from stages.wording import plain


def not_followed(inputs: Sequence[str | Path]) -> list[tuple[str, str]]:
    """Links that lead to videos, perhaps, and are not followed: each with what to say of it.

    Raises:
        InputError: if a folder cannot be listed.
    """
    folder = "a link to a folder, which is not followed; name it to have it searched"
    video = "a link with parameters, which is not followed; name it with them to have it restored"
    return [
        *((link, folder) for link in linked_folders(inputs)),
        *((link, video) for link in links_with_parameters(inputs)),
    ]


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


def links_with_parameters(inputs: Sequence[str | Path]) -> list[str]:
    """Links to videos on pages of the web that carry parameters: they are not followed, since they may do anything.

    Returns:
        The addresses without parameters, each once; none of a page that cannot be read, which ``expand`` tells.
    """
    found: set[str] = set()
    for given in map(str, inputs):
        if given.startswith(("http://", "https://")):
            with suppress(Exception):  # each client has its own
                fs, root = file_system(given)
                found |= {redact(name) for name in (remote_files(fs, root) if fs.isdir(root) else ()) if "?" in name}
    return sorted(link for link in found if PurePosixPath(link).suffix.lower() in SUFFIXES)


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
