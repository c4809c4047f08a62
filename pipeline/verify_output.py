"""An output folder by itself, held against the records that lie in it: sums, framemd5 files and bags.

Nothing says here what was published, so what has no record is never taken for verified. A video that Reelift made must
have a ``.sha256``, or lie in a bag, unless its account (``.provenance.json``) says that it was made without. A Matroska
file that shows no sign of Reelift is somebody else's: it is named as not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.amending import read_head
from pipeline.output_names import FILES
from pipeline.provenance import SIGN
from pipeline.publish import SUFFIX
from pipeline.searching import InputError, walk
from pipeline.sidecars import BAG, PREMIS, PROVENANCE, SUMS
from pipeline.storage import Storage, StorageError
from pipeline.sum_lists import against_bag, against_sums, listed_in
from pipeline.verdicts import FIXITY, MOST, Verdict, lent
from stages.media.account import shortened
from stages.verification import against_fixity

_OURS = (FIXITY, SUMS, PROVENANCE)
"""Any of these beside no video means that the video is missing."""
_NOBODY_ELSES = (FIXITY, PROVENANCE, PREMIS)
"""What nobody but Reelift puts beside a video, as one may captions or an MP4."""

_FOREIGN = "not checked: nothing beside it or in its tags says that Reelift made it"


@dataclass(frozen=True, slots=True)
class _Account:
    """What a video's account says of it: the configuration of assemble, and names of files."""

    wanted: Mapping[str, Any]
    files: frozenset[str]


def verify_output(storage: Storage) -> Iterator[Verdict]:
    """Yield a verdict for each video in an output folder, then one for each bag.

    Raises:
        StorageError: if nothing in it is Reelift's, or a folder in it cannot be listed.
    """
    _require_open(storage)
    names = _outside_workspaces(set(storage.tree()))
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    bags = {folder for folder in folders if folder.endswith(BAG) or str(PurePosixPath(folder) / "bagit.txt") in names}
    places = {name.removesuffix(kind) for name in names for kind in (*_OURS, SUFFIX) if name.endswith(kind)}
    others = []
    for place in sorted(places):
        if not any(place + kind in names for kind in _OURS) and not _bears_our_sign(storage, place + SUFFIX):
            others.append(place + SUFFIX)
        else:
            yield _verify_video(storage, place, names | folders, _bag_of(place, bags) is not None)
    if len(others) == len(places) and not bags:
        raise StorageError(f"{storage.url}: neither a workspace nor a folder with videos and their {FIXITY} files")
    for video in others:
        if _bag_of(video, bags) is None:
            yield Verdict(video, "", (), _FOREIGN)
    for bag in sorted(bags):
        inside = "" if bag == "." else f"{bag}/"
        yield Verdict(bag, "", tuple(shortened(against_bag(storage, inside), MOST)), bag=True)


def _verify_video(storage: Storage, place: str, there: set[str], bagged: bool) -> Verdict:
    """Hold a video against its sums and framemd5.

    Args:
        storage: the output.
        place: path of the video without suffix.
        there: paths of all files and folders.
        bagged: whether a bag has sums of all that lies with it.
    """
    video, stem = place + SUFFIX, PurePosixPath(place).name
    if video not in there:
        kinds = [kind.strip(".") for kind in _OURS if place + kind in there]
        told = f"is missing; its {' and '.join(kinds)} {'is' if len(kinds) == 1 else 'are'} there"
        return Verdict(video, "", (told,))
    account = _account(storage, place, there)
    differences, unchecked = [], ""
    if place + SUMS in there:
        differences += shortened(against_sums(storage, place + SUMS), MOST)
        forgotten, unchecked = _forgotten(place, there, listed_in(storage, place + SUMS), account)
        differences += [] if bagged else forgotten
    elif account is None or account.wanted.get("sha256", True):
        known = "" if account is None else f"; {stem}{PROVENANCE} says that it was written"
        differences += [] if bagged and account is None else [f"{stem}{SUMS} is missing{known}"]
    elif not bagged:
        unchecked = f"made without {stem}{SUMS}; " + (
            f"frames and audio packets alone were checked, by {stem}{FIXITY}"
            if place + FIXITY in there
            else "not checked"
        )
    if place + FIXITY in there:
        with lent(storage, video) as restored, lent(storage, place + FIXITY) as fixity:
            differences += against_fixity(restored, fixity)
    elif account is not None and account.wanted.get("framemd5", True):
        differences += [f"{stem}{FIXITY} is missing; {stem}{PROVENANCE} says that it was written"]
    return Verdict(video, "", tuple(dict.fromkeys(differences)), "" if bagged else unchecked)


def _forgotten(place: str, there: set[str], listed: set[str], account: _Account | None) -> tuple[list[str], str]:
    """Return what lies beside a video and is not in its sums though it must be, and a line on what need not be."""
    stem = PurePosixPath(place).name
    ours: list[str] = []
    foreign: list[str] = []
    heads = {name.partition("/")[0] for name in listed}
    for kind in FILES:
        name = stem + kind
        if kind in (SUFFIX, SUMS, BAG) or place + kind not in there or name in heads:
            continue
        known = account is None or any(file.partition("/")[0] == name for file in account.files)
        (ours if known or kind in _NOBODY_ELSES else foreign).append(name)
    told = f"{', '.join(foreign)} beside it: neither in {stem}{SUMS} nor in {stem}{PROVENANCE}, not checked"
    return [f"{name} is not in {stem}{SUMS}" for name in ours], told if foreign else ""


def _account(storage: Storage, place: str, there: set[str]) -> _Account | None:
    """Return what the account of a video says; None if there is none, or a damaged one."""
    if place + PROVENANCE not in there:
        return None
    with lent(storage, place + PROVENANCE) as path:
        try:
            with path.open(encoding="utf-8") as file:
                told, _ = read_head(file)
            wanted = told["stages"]["assemble"]["parameters"]
            return _Account(dict(wanted), frozenset(str(each["name"]) for each in told["result"]["files"]))
        except (ValueError, LookupError, TypeError, OSError):
            return None


def _bears_our_sign(storage: Storage, video: str) -> bool:
    """Whether a Matroska file has the tag of a restored one; its muxer writes tags before the pictures."""
    try:
        return SIGN.encode() in next(iter(storage.blocks(video)), b"")
    except OSError:
        return True  # which will be said of it


def _bag_of(place: str, bags: set[str]) -> str | None:
    """Return the bag that a path lies in, as part of what it holds; None if there is none."""
    for folder in PurePosixPath(place).parents:
        if folder.name == "data" and str(folder.parent) in bags:
            return str(folder.parent)
    return None


def _require_open(storage: Storage) -> None:
    """See that every folder can be listed: who lists a tree passes over the others without a word."""
    if not storage.is_local:
        return
    try:
        for _ in walk(Path(storage.root)):
            pass
    except InputError as error:
        raise StorageError(str(error)) from error


def _outside_workspaces(names: set[str]) -> set[str]:
    """Leave out what lies in a workspace within the folder: intermediate results are not published."""
    within = {name.removesuffix("run.yaml") for name in names if name.endswith("/run.yaml")}
    within = {folder for folder in within if any(name.startswith(f"{folder}manifest/") for name in names)}
    return {name for name in names if not any(name.startswith(folder) for folder in within)}
