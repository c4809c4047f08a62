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

What this workspace did not write it neither overwrites nor removes: before the first file of a video appears, the place
is claimed (``outputs/``), with name, size and SHA-256 of all that lies there or is about to. A file that is there and
not in the claim belongs to somebody else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from pipeline.artifacts import RECORD, Artifact, Artifacts
from pipeline.fixity import ArtifactFile, damage, describe
from pipeline.storage import Storage
from stages.contract import Fact, ItemError

STAGE = "assemble"
SUFFIX = ".mkv"


class Publisher:
    """Publishes into ``output`` and remembers it in the workspace of ``artifacts``."""

    def __init__(self, artifacts: Artifacts, output: Storage) -> None:
        self.artifacts, self.output = artifacts, output

    def lookup(self, fingerprint: str) -> Artifact | None:
        """Return the record of a published video if all its files are there and whole; what an earlier one left goes.

        Raises:
            StorageError: if that cannot be removed.
        """
        record = self.artifacts.record(STAGE, fingerprint)
        if record is None:
            return None
        for file in record.files:
            what = damage(self.output, file.name, file, self.artifacts.verify)
            if what:
                self.artifacts.remove(STAGE, fingerprint)
                self.artifacts.on_damage(STAGE, fingerprint, f"published {file.name} {what}")
                return None
        place = _place(record)
        self._tidy(place, record.files, self._claimed(place) or ())  # window 3
        return record

    def publish(self, fingerprint: str, folder: Path, place: str, facts: Mapping[str, Fact]) -> Artifact:
        """Move the files of ``folder`` to the place below the output, and write the record.

        Args:
            fingerprint: of the assembled video.
            folder: holds ``<name>.mkv`` and sidecars, or a bag with them; ``name`` being the last part of ``place``.
            place: path below the output folder, without suffix.
            facts: what assemble had to say.

        Raises:
            ItemError: if a file that this workspace did not write is in the way.
            ValueError: if there is no ``<name>.mkv``.
        """
        parent, name = PurePosixPath(place).parent, PurePosixPath(place).name
        found = describe(folder)
        video = f"{name}{SUFFIX}"
        if video not in {PurePosixPath(file.name).name for file in found}:
            raise ValueError(f"assemble did not write {video}")
        last = sorted(found, key=lambda file: PurePosixPath(file.name).name == video)  # the video last: window 1
        wanted = [replace(file, name=str(parent / file.name)) for file in last]
        claimed = self._own(place, wanted)
        for file, target in zip(last, wanted, strict=True):
            self.output.put_file(folder / file.name, target.name)
        record = Artifact(STAGE, fingerprint, tuple(wanted), dict(facts))
        storage = self.artifacts.storage
        storage.put(f"{self.artifacts.folder(STAGE, fingerprint)}/{RECORD}", record.to_json())  # window 2
        self._tidy(place, wanted, claimed)  # windows 3, 4
        return record

    def _own(self, place: str, wanted: Sequence[ArtifactFile]) -> tuple[ArtifactFile, ...]:
        """Claim a place for what is about to be written; return all that may be this workspace's there from now on."""
        known = self._claimed(place)
        # A claim of before claims said what they are for stands for all that lies there.
        ours = {file.name for file in (wanted if known == () else known or ())}
        if self.output.is_local:  # elsewhere folders are but names
            self._refuse_files_above(place)
        for file in wanted:
            if file.name not in ours and self.output.is_file(file.name):
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
            if file.name not in names and not damage(self.output, file.name, file, self.artifacts.verify):
                self._remove(file.name)
        if set(claimed) != set(whole):
            self._claim(place, whole)

    def _remove(self, name: str) -> None:
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


def _place(record: Artifact) -> str:
    """Where a record's video was published: the path of its last file without suffix, and without the bag around it."""
    video = PurePosixPath(record.files[-1].name)
    bag = video.parent.parent
    bagged = video.parent.name == "data" and any(file.name == str(bag / "bagit.txt") for file in record.files)
    return str((bag if bagged else video).parent / video.name.removesuffix(SUFFIX))
