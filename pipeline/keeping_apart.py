"""What a run writes is kept apart from what it reads, or the next run would take its results for sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.file_systems import file_system
from pipeline.places import MAGIC, is_local, local_path, real_path, redact
from pipeline.rows import SourceRow
from pipeline.searching import InputError, reading
from pipeline.storage import Storage, require_utf8


def keep_apart(given: str, other: str | Path, what: str) -> None:
    """See that a folder which is written to is not in an input folder; ``what`` it is called.

    Raises:
        InputError: if it is, or the input cannot be read.
        StorageError: if the folder cannot be reached, or its name be recorded.
    """
    place = Storage(other)
    require_utf8(place.url)
    if is_local(given) != place.is_local:
        return
    if place.is_local:
        source, target = real_path(local_path(given)), real_path(Path(place.root))
        inside = source.is_dir() and (target == source or source in target.parents)
    else:
        with reading(given):
            fs, root = file_system(given)
            root, same = root.rstrip("/"), type(fs) is type(place.fs)
            inside = same and fs.isdir(root) and (place.root == root or place.root.startswith(root + "/"))
    if inside:
        raise InputError(f"the {what} {place.url} is inside the input {redact(given)}; choose another folder")


def keep_from_globs(inputs: Sequence[str | Path], other: str | Path, names: Iterable[str], what: str) -> None:
    """See that no glob among the inputs matches what will be written below a folder on a local disk.

    Args:
        inputs: as given.
        other: the folder.
        names: of the files that will be written there.
        what: the folder is called.

    Raises:
        InputError: if one does.
        StorageError: if the folder cannot be reached.
    """
    place = Storage(other)
    given = [str(each) for each in inputs if is_local(str(each)) and any(sign in str(each) for sign in MAGIC)]
    globs = {each: local_path(each) for each in given if not local_path(each).exists()}
    for name in names if globs and place.is_local else ():
        target = Path(place.path(name))
        for pattern, path in globs.items():
            if _leads_to(path.parts, target.parts):
                raise InputError(f"{target} in the {what} would match the input {pattern}; choose another folder")


def _leads_to(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Whether a glob matches a path, or a folder above it, which is searched."""
    if not pattern or not path:
        return not pattern
    hidden = path[0].startswith(".") and not pattern[0].startswith(".")
    if pattern[0] == "**":
        return _leads_to(pattern[1:], path) or (not hidden and _leads_to(pattern, path[1:]))
    return not hidden and fnmatchcase(path[0], pattern[0]) and _leads_to(pattern[1:], path[1:])


def keep_sources(rows: Iterable[SourceRow], output: str | Path) -> None:
    """See that no result would be written over a source.

    Raises:
        InputError: if one would.
        StorageError: if the output cannot be reached.
    """
    place = Storage(output)
    if not place.is_local:
        targets = {f"{place.url}/{row.output}.mkv" for row in rows} & {row.shown for row in rows}
    else:
        sources = {real_path(local_path(row.url)) for row in rows if is_local(row.url)}
        targets = {str(path) for path in sources & {real_path(Path(place.path(f"{row.output}.mkv"))) for row in rows}}
    if targets:
        raise InputError(f"{min(targets)} is a source and would be written to; choose another output folder")


def keep_out(rows: Iterable[SourceRow], workspace: str | Path) -> None:
    """See that no source is what earlier runs have left in the workspace: a glob may match it.

    Raises:
        InputError: if one is.
        StorageError: if the workspace cannot be reached.
    """
    place = Storage(workspace)
    root = str(real_path(Path(place.root))) if place.is_local else place.url.rstrip("/")
    for row in rows:
        if is_local(row.url) == place.is_local:
            name = str(real_path(local_path(row.url))) if place.is_local else row.shown
            if name.startswith((f"{root}/artifacts/", f"{root}/scratch/")):
                raise InputError(f"{row.shown} was made in the workspace {place.url}; choose another folder for that")


def keep_results(output: str | Path, workspace: str | Path) -> None:
    """See that whoever deletes a workspace that is not needed any more does not delete the results with it.

    Raises:
        InputError: if output and workspace are one folder.
        StorageError: if one of them cannot be reached.
    """
    places = [Storage(each) for each in (output, workspace)]
    first, second = (str(real_path(Path(each.root))) if each.is_local else each.url for each in places)
    if first == second:
        raise InputError(f"output and workspace are one folder, {places[0].url}; choose another for one of them")
