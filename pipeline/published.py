"""What is published of each source, and how split read it for that: a fold of events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from pipeline import manifest
from pipeline.publish import STAGE
from pipeline.rows import SourceRow
from pipeline.storage import Storage
from pipeline.tally import GOOD
from stages.split.config import SplitConfig


def told_of(source: SourceRow, chunks: int, parameters: Mapping[str, Any]) -> str:
    """Return, as JSON, what split tells of a source when it has cut it.

    Whoever holds the result against the source must read it as it was read, whatever the settings are by then.
    """
    redacted = {"redacted": True} if source.url != source.shown else {}
    return json.dumps({"chunks": chunks, "parameters": parameters, **redacted})


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published of a source.

    Attributes:
        plan: fingerprint of the published video.
        video: identity of the content that it was made from.
        told: what split told of the source for it (``told_of``), "" if nothing is known of that.
        output: folder that it was published in, or found in last; "" if an earlier version did not say.
    """

    plan: str
    video: str
    told: str = ""
    output: str = ""

    def folder(self, settings: Mapping[str, Any]) -> Storage:
        """Return where it is published; where that is not known, where the workspace's ``settings`` have it.

        Raises:
            StorageError: if it cannot be reached.
        """
        return Storage(self.output or settings.get("output", ""))

    def split(self, settings: Mapping[str, Any]) -> SplitConfig:
        """Return how the source was read for it; where that is not known, as the workspace's ``settings`` have it."""
        try:
            return SplitConfig.model_validate(self._facts()["parameters"])
        except (KeyError, ValidationError):  # told by another version
            return SplitConfig.model_validate(settings.get("split", {}))

    @property
    def redacted(self) -> bool:
        """Whether the source's address carried what is not recorded: credentials, a signature."""
        return bool(self._facts().get("redacted"))

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.told or "{}")
        return facts


COLUMNS = ("stage", "outcome", "source", "video", "plan", "chunk", "facts")


class Publications:
    """The fold.

    Attributes:
        newest: source -> what was published of it last, in the order of the events.
    """

    def __init__(self) -> None:
        self.newest: dict[str, Publication] = {}
        self._told: dict[str, str] = {}
        self._made: dict[str, Publication] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Add a row of ``events``, of which it takes ``COLUMNS``; rows of chunks count for nothing."""
        if event["chunk"] >= 0 or event["outcome"] not in GOOD:
            return
        source, plan = event["source"], event["plan"]
        if event["stage"] == "split":
            self._told[source] = event["facts"]
        elif event["stage"] == STAGE:
            # What was made once may be found again when other settings have been begun and taken back.
            published = Publication(plan, event["video"], self._told.get(source, ""))
            output = json.loads(event["facts"] or "{}").get("output", "")
            self.newest.pop(source, None)
            self.newest[source] = replace(self._made.setdefault(plan, published), output=output)


def newest(storage: Storage) -> dict[str, Publication]:
    """Return what is published of each source, the newest where there is more than one."""
    found = Publications()
    for table in manifest.read(storage, "events", COLUMNS):
        for event in table.filter(pc.less(table["chunk"], 0)).to_pylist():
            found.add(event)
    return found.newest
