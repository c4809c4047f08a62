"""What to restore: files, folders, globs and URLs, expanded to a list of videos with a place in the output."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.file_systems import file_system, protocol_of
from pipeline.image_folders import local_image_folders, remote_image_folders
from pipeline.keeping_apart import keep_apart, keep_from_globs, keep_out, keep_results, keep_sources
from pipeline.output_names import add_row, refuse_folders_in_the_way
from pipeline.places import MAGIC, is_local, local_path, redact, same_host, without_parameters
from pipeline.rows import SourceRow
from pipeline.searching import InputError, matches, reading, remote_files, walk
from pipeline.source_files import look, size_and_version
from stages.wording import plain

SUFFIXES = frozenset(
    [
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv"),
        *(".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts"),
        *(".dif", ".divx", ".m2p", ".mpe", ".vob", ".webm", ".wmv", ".y4m"),
    ]
)


def expand(
    inputs: Sequence[str | Path],
    output: str | Path = "",
    workspace: str | Path = "",
    nothing_in: Callable[[str], None] = lambda given: None,
) -> list[SourceRow]:
    """Return the videos that the inputs name, sorted by their place in the output.

    A folder is searched for files with a known video suffix, and for folders of numbered images without such files;
    its tree is mirrored in the output. A file that is named is taken whatever its suffix. A glob's tree starts at its
    first wildcard, and folders that it matches are searched. What several inputs name is taken once, where the first of
    them puts it. A named file that does not exist is returned with size -1: it becomes a failed row and stops nobody;
    but where nothing that is named exists, the call itself is wrong.

    Args:
        inputs: files, folders, globs, fsspec URLs.
        output: folder or URL that the results go to, "" if there are none.
        workspace: folder or URL of the run's record, "" if there is none.
        nothing_in: called with each input, without what its URL carries, that names no video where others do: a share
            that is not mounted, perhaps.

    Raises:
        InputError: if nothing is found or all that is named is missing, if a folder cannot be listed or a URL not be
            read, if the output or the workspace is an input folder or inside one, if a glob would match a result, if
            the workspace has made what is found, if they are the same folder, if two inputs would be published under
            one name, or one in a folder that has the name of another one's file.
        StorageError: if the output or the workspace cannot be reached, or there are no credentials for a bucket.
    """
    rows: dict[str, SourceRow] = {}
    found: dict[str, SourceRow] = {}
    barren = []
    if "" in map(str, inputs):
        raise InputError("an input has an empty name; is a variable of the shell not set?")
    for given in inputs:
        if output:
            keep_apart(str(given), output, "output")
        if workspace:
            keep_apart(str(given), workspace, "workspace")
        named = _rows_of(str(given))
        for row in named:
            if found.setdefault(row.url, row) is row:
                add_row(rows, row)
        barren += [] if named else [redact(str(given))]
    refuse_folders_in_the_way(rows)
    if output:
        keep_sources(rows.values(), output)
        keep_from_globs(inputs, output, (f"{row.output}.mkv" for row in rows.values()), "output")
    if workspace:
        keep_out(rows.values(), workspace)
    if output and workspace:
        keep_results(output, workspace)
    if not rows:
        raise InputError(
            f"no video was found in {', '.join(barren)}; check the path (folders are "
            "searched for the suffixes of videos; name a file to have it taken whatever its suffix)"
        )
    if all(_is_missing(row) for row in rows.values()):
        first = next(iter(rows.values())).shown
        raise InputError(f"{first}: no such file or folder; check the path")
    for each in barren:
        nothing_in(each)
    return sorted(rows.values(), key=lambda row: row.output)


def _is_missing(row: SourceRow) -> bool:
    if row.size >= 0:
        return False
    if is_local(row.url):
        return not os.path.lexists(local_path(row.url))
    try:
        fs, root = file_system(row.url)
        fs.info(root)
    except FileNotFoundError:
        return True
    except Exception:  # a server in trouble, or rights that lack: its row says which
        return False
    return False


def _is_video(name: str) -> bool:
    """Whether a file in a folder is taken. Hidden ones are not: macOS puts one (``._name``) beside every file."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _rows_of(given: str) -> list[SourceRow]:
    """Return the videos that one input names; see ``expand``."""
    if is_local(given):
        return _expand_local(local_path(given))
    with reading(given):
        return _expand_remote(given)


def _expand_remote(given: str) -> list[SourceRow]:
    fs, root = file_system(given)
    bare = without_parameters(root, given)
    if any(sign in bare for sign in MAGIC) and not fs.exists(root):
        fixed = bare[: min(bare.index(sign) for sign in MAGIC if sign in bare)].rpartition("/")[0]
        matched = fs.glob(root, detail=True)
        found = {path: entry for path, entry in matched.items() if not _is_folder(fs, path, entry)}
        for folder in matched.keys() - found.keys():
            found |= _remote_videos_in(fs, folder)
        return [_row(given, fs, path, fixed, entry) for path, entry in found.items()]
    if fs.isdir(root):
        return [_row(given, fs, path, root, entry) for path, entry in _remote_videos_in(fs, root).items()]
    return [_row(given, fs, root, bare.rpartition("/")[0])]


def _remote_videos_in(fs: Any, folder: str) -> dict[str, Mapping[str, Any] | None]:
    """Path -> what its listing says of it, which is nothing of a folder of images."""
    listed = remote_files(fs, folder)
    found = [path for path in listed if _is_video(PurePosixPath(path).name)]
    return {path: listed.get(path) for path in [*found, *remote_image_folders(listed, SUFFIXES)]}


def _expand_local(path: Path) -> list[SourceRow]:
    if path.is_dir():
        return [_local_row(file, path) for file in _videos_in(path)]
    if any(sign in str(path) for sign in MAGIC) and not path.exists():
        cut = min(str(path).index(sign) for sign in MAGIC if sign in str(path))
        fixed = Path(str(path)[:cut].rpartition("/")[0] or "/")
        found = matches(str(path))
        below = {file for match in found if match.is_dir() for file in _videos_in(match)}
        files = [match for match in found if match.is_file()]
        return [_local_row(file, fixed) for file in [*files, *sorted(below.difference(files))]]
    return [_local_row(path, path.parent)]


def _videos_in(folder: Path) -> list[Path]:
    found = [Path(place) / name for place, _, names in walk(folder) for name in names if _is_video(name)]
    return [*found, *local_image_folders(folder, SUFFIXES)]


def _local_row(path: Path, root: Path) -> SourceRow:
    try:
        size, version = look(str(path))
    except OSError:
        size, version = -1, ""
    return SourceRow(
        str(path),
        plain(str(path)),
        _place(plain((path.relative_to(root) if path != root else Path(path.name)).as_posix())),
        size,
        version,
        images=path.is_dir(),
    )


def _is_folder(fs: Any, path: str, entry: Mapping[str, Any]) -> bool:
    return bool(entry["type"] == "directory" if _is_told_whole(fs) else fs.isdir(path))


def _is_told_whole(fs: Any) -> bool:
    """Whether a listing says of a file what a look at it would. S3's does; of others nobody has promised it."""
    return protocol_of(fs) == "s3"


def _row(given: str, fs: Any, path: str, root: str, entry: Mapping[str, Any] | None = None) -> SourceRow:
    # Unstripping loses what the URL itself carried (credentials, a query), so a lone file keeps the URL as given.
    url = given if path == root or given.rstrip("/").endswith(path) else _address(given, fs, path)
    try:
        # A bucket has a hundred thousand captures: they are not asked for one by one.
        size, version = size_and_version(entry) if entry and _is_told_whole(fs) else look(url)
        images = entry is None and bool(fs.isdir(path))
    except OSError:
        size, version, images = -1, "", False
    bare = without_parameters(path, given)
    relative = bare.removeprefix(root).lstrip("/") or PurePosixPath(bare).name
    return SourceRow(url, redact(url), _place(relative), size, version, images=images)


def _address(given: str, fs: Any, path: str) -> str:
    """Return the URL of a path that was found: with the host of the one given, where it is no part of the path."""
    url, stem, root = str(fs.unstrip_protocol(path)), given.rstrip("/"), fs._strip_protocol(given).strip("/")
    if same_host(fs, url, given) or not stem.endswith(root):
        return url
    return f"{stem.removesuffix(root).rstrip('/')}/{path.lstrip('/')}"


def _place(relative: str) -> str:
    place = PurePosixPath(relative)
    if place.is_absolute() or ".." in place.parts:
        raise InputError(f"{relative!r} leads out of the input folder")
    # What stands before the suffix may be dots alone, which are no name but lead elsewhere.
    known = place.suffix.lower() in SUFFIXES and place.stem.strip(".")
    return str(place.with_suffix("")) if known else str(place)
