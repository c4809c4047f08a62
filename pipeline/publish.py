"""Publishing: a finished video moves into the output tree, sidecars first, then the video, each atomically.

The record of it is an artifact of the stage ``assemble`` whose files lie below the output folder instead of in the
workspace. Crash windows:

1. between the sidecars and the video: whoever sees the video sees its sidecars too; without the record, assemble runs
   again and replaces what is there.
2. between the video and the record: the video is published and whole; assemble runs once more and replaces it with the
   same bytes.
3. after the record: published; a later run checks sizes and hashes and does nothing.

What this workspace did not write it does not overwrite: before the first file of a video appears, the place is claimed
(``outputs/``). A file that is there without a claim belongs to somebody else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pipeline.artifacts import RECORD, Artifact, ArtifactFile, Artifacts, damage, describe
from pipeline.storage import Storage
from stages.contract import Fact, ItemError

STAGE = "assemble"
SUFFIX = ".mkv"


class Publisher:
    """Publishes into ``output`` and remembers it in the workspace of ``artifacts``."""

    def __init__(self, artifacts: Artifacts, output: Storage) -> None:
        self.artifacts, self.output = artifacts, output

    def lookup(self, fingerprint: str) -> Artifact | None:
        """Return the record of a published video if all its files are there and whole."""
        record = self.artifacts.record(STAGE, fingerprint)
        if record is None:
            return None
        for file in record.files:
            what = damage(self.output, file.name, file, self.artifacts.verify)
            if what:
                self.artifacts.remove(STAGE, fingerprint)
                self.artifacts.on_damage(STAGE, fingerprint, f"published {file.name} {what}")
                return None
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
        self._own(place, parent, [file.name for file in found])
        published = []
        for file in sorted(found, key=lambda file: PurePosixPath(file.name).name == video):  # the video last: window 1
            target = str(parent / file.name)
            self.output.put_file(folder / file.name, target)
            published.append(ArtifactFile(target, file.size, file.sha256))
        record = Artifact(STAGE, fingerprint, tuple(published), dict(facts))
        storage = self.artifacts.storage
        storage.put(f"{self.artifacts.folder(STAGE, fingerprint)}/{RECORD}", record.to_json())  # windows 2, 3
        return record

    def _own(self, place: str, parent: PurePosixPath, names: list[str]) -> None:
        key = hashlib.sha256(f"{self.output.url}\n{place}".encode()).hexdigest()
        claim = f"outputs/{key[:2]}/{key}.json"
        storage = self.artifacts.storage
        if storage.is_file(claim):
            return
        for name in names:
            if self.output.is_file(str(parent / name)):
                raise ItemError(
                    f"{self.output.url}/{parent / name} exists and was not made by this workspace; move it away or "
                    "choose another output folder"
                )
        storage.put(claim, json.dumps({"output": self.output.url, "place": place}).encode())
