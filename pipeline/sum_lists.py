"""Files held against the lists of SHA-256 sums that lie beside them: ``.sha256`` files and the manifests of bags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from pipeline.faults import line
from pipeline.fixity import digest
from pipeline.publish import SUFFIX
from pipeline.sidecars import SUMS
from pipeline.storage import Storage
from pipeline.sums import read_sums


def against_sums(storage: Storage, name: str) -> Iterator[str]:
    """All that a video's ``.sha256`` lists, as ``sha256sum --check`` would, and what it ought to list."""
    parent, told = PurePosixPath(name).parent, PurePosixPath(name).name
    rows = list(read_sums(storage.read(name).decode(errors="replace")))
    video = told.removesuffix(SUMS) + SUFFIX
    if video not in (listed for _, listed in rows):
        yield f"{video} is not in {told}"
    yield from surplus(storage, parent, [listed for _, listed in rows if listed and not _leads_out(listed)])
    for number, (sha256, listed) in enumerate(rows, start=1):
        yield from _against_row(storage, parent, sha256, listed, told, number)


def listed_in(storage: Storage, name: str) -> set[str]:
    """All names in a list of sums."""
    return {listed for _, listed in read_sums(storage.read(name).decode(errors="replace")) if listed}


def _against_row(
    storage: Storage, parent: PurePosixPath, sha256: str, listed: str, told: str, number: int
) -> Iterator[str]:
    """One file held against its row, of this number, in the list ``told``."""
    if not listed:
        yield f"row {number} of {told} is no SHA-256 and name"
        return
    if _leads_out(listed):
        yield f"{listed} leads out of the folder; {told} lists it"
        return
    try:
        if digest(storage.blocks(str(parent / listed)))[1] != sha256:
            yield f"{listed} does not have the SHA-256 that {told} has"
    except (FileNotFoundError, IsADirectoryError):
        yield f"{listed} is missing; {told} lists it"
    except OSError as error:
        yield f"{listed} cannot be read: {line(error)}"


def _leads_out(listed: str) -> bool:
    return listed.startswith("/") or ".." in listed.split("/")


def surplus(storage: Storage, parent: PurePosixPath, names: Iterable[str]) -> Iterator[str]:
    """What lies in a video's own folders (image sequences, a bag) and is none of its files.

    Args:
        storage: the output.
        parent: the folder that holds the video, or the bag.
        names: all of its files, below ``parent``.
    """
    known = {PurePosixPath(name) for name in names}
    folders = {folder for name in known for folder in name.parents} - {PurePosixPath(".")}
    for folder in sorted(folders):
        for found in storage.names(str(parent / folder)):
            if folder / found not in known | folders:
                yield f"{folder / found} is there and was not written with the others"


def against_bag(storage: Storage, folder: str) -> Iterator[str]:
    """What a bag's manifests (RFC 8493) say of its files, and what lies in ``data/`` without being listed."""
    every: set[str] = set()
    declared = storage.is_file(f"{folder}bagit.txt")
    for manifest_name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        try:
            text = storage.read(folder + manifest_name).decode(errors="replace")
        except FileNotFoundError:
            yield f"{manifest_name} of the bag is missing"
            continue
        for number, (sha256, escaped) in enumerate(read_sums(text), start=1):
            listed = escaped.replace("%0A", "\n").replace("%0D", "\r")
            every.add(listed)
            declared |= listed == "bagit.txt"  # of which the manifest will tell
            yield from _against_row(storage, PurePosixPath(folder), sha256, listed, manifest_name, number)
    if not declared:
        yield "bagit.txt of the bag is missing"
    for name in storage.tree(f"{folder}data"):
        inside = name.removeprefix(folder)
        if inside not in every:
            yield f"{inside} is in the bag, but in none of its manifests"
