"""The workspace: the folder (local, or in an object store) of one run.

``run.yaml`` (resolved configuration), ``manifest/``, ``artifacts/``, ``attempts/``, and on local file systems
``scratch/``, where stages write before the commit, so that a commit is a rename.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import yaml

from pipeline.artifacts import Artifacts
from pipeline.attempts import Attempts
from pipeline.places import anywhere, may_be_there
from pipeline.storage import Storage, StorageError, plain_errors, require_utf8

RUN = "run.yaml"
PLACES = ("inputs", "output")
MADE_WITH = "made_with"
"""Where ``run.yaml`` has what else decides the bytes: stage -> ``revision`` of its code, digest of its ``weights``."""

RECORD = (*PLACES, MADE_WITH)
"""What ``run.yaml`` has beside the settings."""

NEUTRAL = ("pools", "limits", "runtime.scratch", *RECORD)
"""What does not decide the bytes, or is compared by itself: a workspace may be continued with others."""


class ChangedError(StorageError):
    """The workspace was made with other settings or weights, or by code that wrote other bytes."""


def differences(old: Any, new: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Return (key, old, new) for all leaves in which two nested dicts differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}):
            found += differences(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
        return found
    return [] if old == new else [(where, old, new)]


class Workspace:
    """An opened workspace.

    Args:
        url: folder, or URL of one in an object store.
        scratch: where stages write and downloads land; default is inside a local workspace, else the system's folder
            for temporary files.

    Attributes:
        url: of the workspace.
        scratch_root: the local folder that holds the scratch folders.

    Raises:
        StorageError: if it cannot be reached, or its name is not UTF-8.
    """

    def __init__(self, url: str | Path, scratch: str | Path | None = None) -> None:
        self.storage = Storage(url)
        self.url = self.storage.url
        require_utf8(self.url)
        if scratch:
            self.scratch_root = Path(scratch).absolute()
        elif self.storage.is_local:
            self.scratch_root = Path(self.storage.path("scratch"))
        else:
            self.scratch_root = Path(tempfile.gettempdir())
        self._prefix = "reelift-" + hashlib.sha256(self.url.encode()).hexdigest()[:12]

    def open(self, resolved: dict[str, Any], allow_changed: bool = False) -> None:
        """Compare ``resolved`` (plain JSON) with ``run.yaml``, then write it.

        Inputs that earlier lines gave stay, after the new ones, if they are still there and the output is the same:
        those videos are the workspace's, too.

        Raises:
            ChangedError: see ``compare``; never if ``allow_changed`` is true.
        """
        if not allow_changed:
            self.compare(resolved)
        old = self.settings()
        if old.get("output") == resolved.get("output"):
            others = (str(each) for each in old.get("inputs") or [] if each not in resolved["inputs"])
            earlier = [each for each in others if may_be_there(each)]
            resolved = {**resolved, "inputs": [*resolved["inputs"], *earlier]}
        if old != resolved:
            text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
            self.storage.put(RUN, text.encode())

    def compare(self, resolved: dict[str, Any]) -> None:
        """Compare ``resolved`` with ``run.yaml``, if there is one.

        Raises:
            ChangedError: if settings, weights or code differ so that other bytes would be written.
        """
        old = self.settings()
        if not old:
            return
        old["model"] = anywhere(old.get("model"))  # a relative path was written once
        changed = [
            (key, before, after)
            for key, before, after in differences(old, resolved)
            if not any(key == name or key.startswith(f"{name}.") for name in NEUTRAL)
        ]
        told = _settings_told(changed) or _stages_told(old.get(MADE_WITH) or {}, resolved.get(MADE_WITH) or {})
        if told:
            raise ChangedError(
                f"{self.url} {told}; use another workspace, or reprocess this one (what has not changed is reused)"
            )

    def settings(self) -> dict[str, Any]:
        """Return what ``run.yaml`` holds, {} if there is none.

        Raises:
            StorageError: if it is not YAML, or on a bad sector.
        """
        try:
            loaded = yaml.safe_load(self.storage.read(RUN))
        except FileNotFoundError:
            return {}
        except yaml.YAMLError as error:
            raise StorageError(f"{self.url}/{RUN} is damaged; restore it or use another workspace") from error
        except OSError as error:
            if why := self.storage.bad_sector(error):
                told = f"{self.url}/{RUN} cannot be read ({why}); restore it or use another workspace"
                raise StorageError(told) from error
            raise
        return loaded if isinstance(loaded, dict) else {}

    def told(self) -> dict[str, Any]:
        """Return what ``run.yaml`` holds of a run that was begun: settings, inputs and output.

        Raises:
            StorageError: if there is no workspace, or ``run.yaml`` is lost, damaged or says too little.
        """
        settings = self.settings()
        if all(name in settings for name in PLACES):
            return settings
        if not (settings or self.storage.exists("manifest")):
            raise StorageError(f"{self.url}: no workspace is there; give the folder that restore was given")
        there = self.storage.is_file(RUN)
        what = "does not say where inputs and output are" if there else "is missing"
        raise StorageError(f"{self.url}/{RUN} {what}; give the line of restore again, which writes it")

    def artifacts(
        self,
        scratch: Path,
        verify: Literal["full", "size"] = "full",
        on_damage: Callable[[str, str, str], None] = lambda stage, fingerprint, what: None,
    ) -> Artifacts:
        """Return the artifact store; downloads go below ``scratch``."""
        return Artifacts(self.storage, scratch, verify, on_damage)

    def attempts(self, epoch: int) -> Attempts:
        """Return the attempts counted under one driver epoch."""
        return Attempts(self.storage, epoch)

    def scratch_folder(self, epoch: int) -> Path:
        """Return a local folder that nobody else uses; it does not exist yet."""
        return self.scratch_root / f"{self._prefix}-{epoch}-{os.getpid()}-{uuid.uuid4().hex[:12]}"

    @contextmanager
    def scratch(self, epoch: int) -> Iterator[Path]:
        """Lend an empty local folder, removed at the end (by ``sweep`` if this process dies)."""
        folder = self.scratch_folder(epoch)
        with plain_errors(str(folder)):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, epoch: int) -> None:
        """Remove scratch folders that workers of older epochs left on this machine, or still work in.

        Each is gone in one step: such a worker must not commit what is left of its files half-way.
        """
        for folder in self.scratch_root.glob(f"{self._prefix}-*"):
            number = folder.name.removeprefix(f"{self._prefix}-").partition("-")[0]
            if number.isdigit() and int(number) < epoch:
                swept = self.scratch_root / f"{self._prefix}-0-{uuid.uuid4().hex}"  # of an epoch before all others
                with suppress(OSError):  # another one sweeps, too
                    shutil.rmtree(folder.rename(swept), ignore_errors=True)

    def free_bytes(self) -> int:
        """Return the free space where scratch lies."""
        existing = next(path for path in (self.scratch_root, *self.scratch_root.parents) if path.exists())
        return shutil.disk_usage(existing).free


def _settings_told(changed: list[tuple[str, Any, Any]]) -> str:
    """Which settings were others, "" if none."""
    listed = ", ".join(f"{key} was {before!r} and is now {after!r}" for key, before, after in changed[:5])
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return f"was made with other settings: {listed}{more}" if changed else ""


def _stages_told(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> str:
    """Which stages had other weights or other code, "" if none; earlier versions wrote down neither."""
    changed = {
        what: [stage for stage in new if stage in old and old[stage].get(what) != new[stage][what]]
        for what in ("weights", "revision")
    }
    told = [f"was made with other weights ({', '.join(changed['weights'])})"] if changed["weights"] else []
    if changed["revision"]:
        told.append(f"was made by a version of Reelift that wrote other bytes ({', '.join(changed['revision'])})")
    return " and ".join(told)
