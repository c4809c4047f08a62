"""Artifacts: the committed outputs of the stages, one folder each, addressed by fingerprint.

``artifacts/<stage>/<fp[:2]>/<fp>/`` holds the stage's files and ``artifact.json``: names, sizes, SHA-256 and facts.
``artifact.json`` is written last and atomically; *it* is the commit. The crash windows of ``commit``:

1. before the first file is in place: nothing in ``artifacts/``; the stage runs again.
2. between files: a folder without ``artifact.json``; ``lookup`` finds nothing, the stage runs again and replaces each
   file atomically.
3. between the last file and ``artifact.json``: as 2.
4. after ``artifact.json``: committed; ``lookup`` believes it once every size and hash agrees.

Two workers may commit the same fingerprint at once (a driver that was replaced leaves workers behind). The first
``artifact.json`` stays if it verifies; files are replaced whole, so the worst outcome is a hash that does not agree,
which ``lookup`` reports and removes, and the stage runs again. So it does with a file that the disk cannot read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.fixity import ArtifactFile, damage, describe, digest_file, unread
from pipeline.storage import Storage
from stages.contract import Fact

RECORD = "artifact.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A committed output of a stage."""

    stage: str
    fingerprint: str
    files: tuple[ArtifactFile, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Size of all files together, in bytes."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """Return the content of ``artifact.json``."""
        return json.dumps(
            {
                "stage": self.stage,
                "fingerprint": self.fingerprint,
                "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in self.files],
                "facts": dict(self.facts),
            },
            indent=1,
            sort_keys=True,
        ).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Artifact:
        """Read ``artifact.json``.

        Raises:
            ValueError: if it is not one, or names no files: every stage writes some.
        """
        try:
            record = json.loads(data)
            files = tuple(ArtifactFile(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in record["files"])
            artifact = cls(str(record["stage"]), str(record["fingerprint"]), files, dict(record["facts"]))
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"not an artifact record: {error}") from error
        if not files:
            raise ValueError("not an artifact record: it names no files")
        return artifact


class Artifacts:
    """The artifacts of a workspace.

    Args:
        storage: the workspace.
        scratch: a local folder for downloads; unused if the workspace is local.
        verify: "full" compares sizes and SHA-256 before an artifact is believed, "size" only sizes (for stores where
            reading everything back costs more than it protects).
        on_damage: told (stage, fingerprint, what is wrong) about each artifact that was found damaged and removed.
    """

    def __init__(
        self,
        storage: Storage,
        scratch: Path,
        verify: Literal["full", "size"] = "full",
        on_damage: Callable[[str, str, str], None] = lambda stage, fingerprint, what: None,
    ) -> None:
        self.storage, self.scratch, self.verify, self.on_damage = storage, scratch, verify, on_damage

    def folder(self, stage: str, fingerprint: str) -> str:
        """Return the artifact's folder, relative to the workspace."""
        return f"artifacts/{stage}/{fingerprint[:2]}/{fingerprint}"

    def lookup(self, stage: str, fingerprint: str) -> Artifact | None:
        """Return the artifact if it is committed and whole. A damaged one is reported and removed.

        Raises:
            StorageError, OSError: if the storage cannot be read, or what is damaged not be removed for want of rights.
        """
        folder = self.folder(stage, fingerprint)
        try:
            artifact = self._read(folder)
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.discard(stage, fingerprint, str(error))
            return None
        for file in artifact.files:
            what = damage(self.storage, f"{folder}/{file.name}", file, self.verify)
            if what:
                self.discard(stage, fingerprint, f"{file.name} {what}")
                return None
        return artifact

    def commit(self, stage: str, fingerprint: str, folder: Path, facts: Mapping[str, Fact]) -> Artifact:
        """Move all files of the local ``folder`` into place, then write the record. See the crash windows above.

        Raises:
            ValueError: if the stage wrote a file named ``artifact.json``, or there is no file in the folder, or no
                folder: a newer driver sweeps those of an older one's workers.
        """
        files = describe(folder)
        if not files:
            raise ValueError(
                f"{folder}: stage {stage} left no file there, or a newer run swept it; run the same line again"
            )
        if any(file.name == RECORD for file in files):
            raise ValueError(f"stage {stage} wrote a file named {RECORD}, which is reserved")
        existing = self.lookup(stage, fingerprint)
        if existing is not None:
            return existing
        artifact = Artifact(stage, fingerprint, files, dict(facts))
        target = self.folder(stage, fingerprint)
        for file in files:
            self.storage.put_file(folder / file.name, f"{target}/{file.name}")  # windows 1, 2
        self._clear(target, {file.name for file in files})
        self.storage.put(f"{target}/{RECORD}", artifact.to_json())  # windows 3, 4
        return artifact

    def record(self, stage: str, fingerprint: str) -> Artifact | None:
        """Return what ``artifact.json`` says, without looking at the files."""
        try:
            return self._read(self.folder(stage, fingerprint))
        except (FileNotFoundError, ValueError):
            return None

    def fetch(self, stage: str, fingerprint: str) -> Path:
        """Return a local folder with the files of a committed artifact: in place, or downloaded to scratch.

        A download is hashed; ``release`` removes it.

        Raises:
            FileNotFoundError: if there is no such artifact.
            OSError: if a downloaded file does not agree with the record.
        """
        folder = self.folder(stage, fingerprint)
        if self.storage.is_local:
            path = Path(self.storage.path(folder))
            if not (path / RECORD).is_file():
                raise FileNotFoundError(f"no {stage} artifact {fingerprint} in {self.storage.url}")
            return path
        artifact = self._read(folder)
        local = self.scratch / f"{stage}-{fingerprint}"
        for file in artifact.files:
            self.storage.download(f"{folder}/{file.name}", local / file.name)
            if digest_file(local / file.name) != (file.size, file.sha256):
                raise OSError(f"{self.storage.url}/{folder}/{file.name} does not agree with its record")
        return local

    def release(self, folder: Path) -> None:
        """Remove a folder that ``fetch`` downloaded; one in place stays."""
        if not self.storage.is_local and folder.is_relative_to(self.scratch):
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self, stage: str, fingerprint: str) -> str:
        """Remove an artifact: the record first, so that a crash in between leaves nothing that looks committed.

        Returns:
            Why the disk cannot, "" if it could. What stays is written over by the next commit.
        """
        folder = self.folder(stage, fingerprint)
        try:
            self.storage.remove_file(f"{folder}/{RECORD}")
            self.storage.remove(folder)
        except OSError as error:
            if why := self.storage.bad_sector(error):
                return why
            raise
        return ""

    def _read(self, folder: str) -> Artifact:
        try:
            return Artifact.from_json(self.storage.read(f"{folder}/{RECORD}"))
        except OSError as error:
            raise ValueError(f"{RECORD} {unread(self.storage, error)}") from error

    def _clear(self, target: str, names: set[str]) -> None:
        """Remove what a commit that crashed left in a folder which stages will read in place."""
        if self.storage.is_local:
            root = Path(self.storage.path(target))
            for path in root.rglob("*"):
                if path.is_file() and path.relative_to(root).as_posix() not in names:
                    path.unlink()

    def discard(self, stage: str, fingerprint: str, what: str) -> None:
        """Remove an artifact that is damaged, and report what is wrong with it.

        Raises:
            StorageError, OSError: if it cannot be removed for want of rights.
        """
        why = self.remove(stage, fingerprint)
        self.on_damage(stage, fingerprint, f"{what}; it cannot be removed either ({why})" if why else what)
