"""Publishing: a finished video moves into the output tree, sidecars first, then the video, each atomically.

The record of it is an artifact of the stage ``assemble`` whose files lie below the output folder instead of in the
workspace. Crash windows:

1. between the sidecars and the video: whoever sees the video sees its sidecars too; without the record, assemble runs
   again and replaces what is there.
2. between the video and the record: the video is published and whole; assemble runs once more and replaces it with the
   same bytes.
3. between the record and the removal of what an earlier result (other settings) had besides: the new one is whole, and
   the next run removes the rest when it looks it up.
4. after that: published; a later run checks sizes and hashes and does nothing.

A result that gets more files later (``replace``) is never without a record that is true of it: what it will be is
written beside what it is (``NEXT``) before a file is replaced.

5. before ``NEXT``: the new files are claimed and not in the record; the next look removes them.
6. between ``NEXT`` and the new record: every file is as one of the two says. If all are as ``NEXT`` says, it becomes
   the record; else the record stands, and whoever wanted more begins again.

What this workspace did not write it neither overwrites nor removes: before the first file of a video appears, the place
is claimed (``outputs/``), with name, size and SHA-256 of all that lies there or is about to. A file that is there and
not in the claim belongs to somebody else.

A folder or file of the output that cannot be written or read is the failure of that one video, as long as others can be
written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from pipeline.artifacts import RECORD, Artifact, Artifacts
from pipeline.fixity import ArtifactFile, damage, describe, unread
from pipeline.output_trouble import of_one_video
from pipeline.storage import Storage
from stages.contract import Fact, ItemError

STAGE = "assemble"
SUFFIX = ".mkv"
NEXT = "next.json"
"""Beside a record while its files are being replaced: the record to come."""


class Publisher:
    """Publishes into ``output`` and remembers it in the workspace of ``artifacts``."""

    def __init__(self, artifacts: Artifacts, output: Storage) -> None:
        self.artifacts, self.output = artifacts, output

    def lookup(self, fingerprint: str) -> Artifact | None:
        """Return the record of a published video if all its files are there and whole; what an earlier one left goes.

        Raises:
            ItemError: if the files of this video cannot be read, or what an earlier one left not be removed.
            StorageError: if nothing can be written to the output any more.
            OSError: if the workspace cannot be read.
        """
        record = self.artifacts.record(STAGE, fingerprint)
        if record is None:
            return None
        coming = self._coming(fingerprint)
        if coming is not None and not self._damage(coming):
            self._commit(coming)
            record = coming
        elif what := self._damage(record, coming):
            self.artifacts.remove(STAGE, fingerprint)
            self.artifacts.on_damage(STAGE, fingerprint, f"published {what}")
            return None
        place = _place(record)
        self._tidy(place, record.files, self._claimed(place) or ())  # windows 3, 5
        return record

    def _damage(self, record: Artifact, coming: Artifact | None = None) -> str:
        """What is wrong with the first file that is as neither the record says nor the one to come; "" if none is."""
        others = {file.name: file for file in coming.files} if coming else {}
        for file in record.files:
            what = self._damaged(file)
            other = others.get(file.name, file)
            if what and (other == file or self._damaged(other)):
                return f"{file.name} {what}"
        return ""

    def _damaged(self, file: ArtifactFile) -> str:
        with of_one_video(self.output):
            return damage(self.output, file.name, file, self.artifacts.verify)

    def _put(self, path: Path, target: ArtifactFile) -> None:
        with of_one_video(self.output):
            self.output.put_file(path, target.name)

    def _coming(self, fingerprint: str) -> Artifact | None:
        storage = self.artifacts.storage
        try:
            return Artifact.from_json(storage.read(self._record_name(fingerprint, NEXT)))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            unread(storage, error)
            return None

    def _record_name(self, fingerprint: str, name: str) -> str:
        return f"{self.artifacts.folder(STAGE, fingerprint)}/{name}"

    def _commit(self, record: Artifact) -> None:
        storage = self.artifacts.storage
        storage.put(self._record_name(record.fingerprint, RECORD), record.to_json())
        storage.remove_file(self._record_name(record.fingerprint, NEXT))

    def publish(self, fingerprint: str, folder: Path, place: str, facts: Mapping[str, Fact]) -> Artifact:
        """Move the files of ``folder`` to the place below the output, and write the record.

        Args:
            fingerprint: of the assembled video.
            folder: holds ``<name>.mkv`` and sidecars, or a bag with them; ``name`` being the last part of ``place``.
            place: path below the output folder, without suffix.
            facts: what assemble had to say.

        Raises:
            ItemError: if a file that this workspace did not write is in the way, or a folder cannot be written.
            StorageError: if nothing can be written to the output any more.
            ValueError: if there is no ``<name>.mkv``.
        """
        wanted = _described(folder, place)
        claimed = self._own(place, [target for _, target in wanted])
        for path, target in wanted:
            self._put(path, target)
        record = Artifact(STAGE, fingerprint, tuple(target for _, target in wanted), dict(facts))
        self.artifacts.storage.put(self._record_name(fingerprint, RECORD), record.to_json())  # window 2
        self._tidy(place, record.files, claimed)  # windows 3, 4
        return record

    def replace(self, before: Artifact, folder: Path, place: str, facts: Mapping[str, Fact]) -> Artifact:
        """Move what a published video has more or other than before to its place, and replace the record.

        Args:
            before: the record.
            folder: holds all files as they shall be, see ``publish``; those that stay are not moved.
            place: see ``publish``.
            facts: see ``publish``.

        Raises:
            ItemError: see ``publish``; or if the video is another now.
        """
        wanted = _described(folder, place)
        claimed = self._own(place, [target for _, target in wanted])
        then = {file.name: file for file in before.files}
        changed = [(path, target) for path, target in wanted if then.get(target.name) != target]
        if wanted[-1][1] in (target for _, target in changed):
            raise ItemError(f"{self.output.url}/{place}{SUFFIX}: it changed meanwhile; run the same line again")
        coming = Artifact(STAGE, before.fingerprint, tuple(target for _, target in wanted), dict(facts))
        for path, target in changed:
            if target.name not in then:
                self._put(path, target)  # window 5
        self.artifacts.storage.put(self._record_name(before.fingerprint, NEXT), coming.to_json())
        for path, target in changed:
            if target.name in then:
                self._put(path, target)  # window 6
        self._commit(coming)
        self._tidy(place, coming.files, claimed)
        return coming

    def _own(self, place: str, wanted: Sequence[ArtifactFile]) -> tuple[ArtifactFile, ...]:
        """Claim a place for what is about to be written; return all that may be this workspace's there from now on."""
        known = self._claimed(place)
        # A claim of before claims said what they are for stands for all that lies there.
        ours = {file.name for file in (wanted if known == () else known or ())}
        if self.output.is_local:  # elsewhere folders are but names
            with of_one_video(self.output):
                self._refuse_files_above(place)
        for file in wanted:
            with of_one_video(self.output):
                foreign = file.name not in ours and self.output.is_file(file.name)
            if foreign:
                raise ItemError(
                    f"{self.output.url}/{file.name} exists and was not made by this workspace; move it away or choose "
                    "another output folder"
                )
        both = tuple(dict.fromkeys((*(known or ()), *wanted)))
        if both != known:
            self._claim(place, both)
        return both

    def _refuse_files_above(self, place: str) -> None:
        for folder in PurePosixPath(place).parents[:-1]:
            path = Path(self.output.path(str(folder)))
            if path.is_file():
                raise ItemError(
                    f"{path} is a file, where a folder is needed; move it away or choose another output folder"
                )

    def _tidy(self, place: str, whole: Sequence[ArtifactFile], claimed: Sequence[ArtifactFile]) -> None:
        """Remove what is claimed and no part of the whole, unless it is not as it was written: then it is not ours."""
        names = {file.name for file in whole}
        for file in claimed:
            if file.name not in names and not self._damaged(file):
                self._remove(file.name)
        if set(claimed) != set(whole):
            self._claim(place, whole)

    def _remove(self, name: str) -> None:
        with of_one_video(self.output):
            self.output.remove_file(name)
        if self.output.is_local:  # elsewhere folders are but names
            with suppress(OSError):  # one that is not empty, and all above it, stay
                for folder in PurePosixPath(name).parents[:-1]:
                    Path(self.output.path(str(folder))).rmdir()

    def _claimed(self, place: str) -> tuple[ArtifactFile, ...] | None:
        """What lies at a place by its claim; None if there is no claim, nothing if it does not say."""
        storage = self.artifacts.storage
        try:
            claim = json.loads(storage.read(self._claim_name(place)))
            return tuple(ArtifactFile(**file) for file in claim.get("files", ()))
        except FileNotFoundError:
            return None
        except OSError as error:
            if not storage.bad_sector(error):
                raise
            return ()  # as a damaged one
        except (ValueError, TypeError, AttributeError):  # damaged: a claim all the same
            return ()

    def _claim(self, place: str, files: Sequence[ArtifactFile]) -> None:
        claim = {"output": self.output.url, "place": place, "files": [asdict(file) for file in files]}
        self.artifacts.storage.put(self._claim_name(place), json.dumps(claim).encode())

    def _claim_name(self, place: str) -> str:
        key = hashlib.sha256(f"{self.output.url}\n{place}".encode()).hexdigest()
        return f"outputs/{key[:2]}/{key}.json"


def _described(folder: Path, place: str) -> list[tuple[Path, ArtifactFile]]:
    """Every file below a folder, and what it will be in the output; the video last: window 1."""
    parent, name = PurePosixPath(place).parent, PurePosixPath(place).name
    found, video = describe(folder), f"{name}{SUFFIX}"
    if video not in {PurePosixPath(file.name).name for file in found}:
        raise ValueError(f"assemble did not write {video}")
    last = sorted(found, key=lambda file: PurePosixPath(file.name).name == video)
    return [(folder / file.name, replace(file, name=str(parent / file.name))) for file in last]


def _place(record: Artifact) -> str:
    """Where a record's video was published: the path of its last file without suffix, and without the bag around it."""
    video = PurePosixPath(record.files[-1].name)
    bag = video.parent.parent
    bagged = video.parent.name == "data" and any(file.name == str(bag / "bagit.txt") for file in record.files)
    return str((bag if bagged else video).parent / video.name.removesuffix(SUFFIX))
