"""The manifest's tables: all Parquet schemas, and the rows that go into them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

VIDEOS = pa.schema(
    [
        pa.field("epoch", pa.int32(), False, {"about": "driver epoch that wrote the row"}),
        pa.field("recorded", TIME, False, {"about": "when"}),
        pa.field("source", pa.string(), False, {"about": "URL or path as found, without credentials"}),
        pa.field("output", pa.string(), False, {"about": "path below the output folder"}),
        pa.field("video", pa.string(), False, {"about": "identity: first 16 hex digits of sha256; '' if unreadable"}),
        pa.field("sha256", pa.string(), False, {"about": "SHA-256 of the content; '' while it is unread"}),
        pa.field("size", pa.int64(), False, {"about": "bytes"}),
        pa.field("version", pa.string(), False, {"about": "modification time or ETag when sha256 was computed"}),
        pa.field("chunks", pa.int32(), True, {"about": "number of chunks; null until split is done"}),
    ],
    {"table": "videos"},
)

CHUNKS = pa.schema(
    [
        pa.field("epoch", pa.int32(), False),
        pa.field("recorded", TIME, False),
        pa.field("video", pa.string(), False),
        pa.field("plan", pa.string(), False, {"about": "fingerprint of the video's split plan"}),
        pa.field("fingerprint", pa.string(), False, {"about": "fingerprint of the chunk's split artifact"}),
        pa.field("chunk", pa.int32(), False, {"about": "number within the video"}),
        pa.field("shot", pa.int32(), False),
        pa.field("start", pa.int64(), False, {"about": "first frame"}),
        pa.field("stop", pa.int64(), False, {"about": "one past the last frame"}),
        pa.field("head", pa.int32(), False, {"about": "frames shared with the previous chunk"}),
        pa.field("tail", pa.int32(), False, {"about": "frames shared with the next chunk"}),
    ],
    {"table": "chunks"},
)

EVENTS = pa.schema(
    [
        pa.field("epoch", pa.int32(), False),
        pa.field("recorded", TIME, False),
        pa.field("id", pa.string(), False, {"about": "unique"}),
        pa.field("source", pa.string(), False, {"about": "the source; '' where only the content matters"}),
        pa.field("video", pa.string(), False),
        pa.field("chunk", pa.int32(), False, {"about": "number of the chunk; -1: the whole video"}),
        pa.field("stage", pa.string(), False),
        pa.field("plan", pa.string(), False, {"about": "fingerprint of this stage's plan of the video"}),
        pa.field("fingerprint", pa.string(), False),
        pa.field("attempt", pa.int32(), False, {"about": "counted from 1; 0: none was needed"}),
        pa.field("worker", pa.string(), False),
        pa.field("node", pa.string(), False),
        pa.field("started", TIME, False),
        pa.field("seconds", pa.float64(), False),
        pa.field("bytes", pa.int64(), False, {"about": "size of the artifact"}),
        pa.field("outcome", pa.string(), False, {"about": "how it ended: done, reused, failed ..."}),
        pa.field("error_class", pa.string(), False),
        pa.field("message", pa.string(), False),
        pa.field("traceback", pa.string(), False),
        pa.field("facts", pa.string(), False, {"about": "JSON: what the stage had to say"}),
    ],
    {"table": "events"},
)

TABLES = {"videos": VIDEOS, "chunks": CHUNKS, "events": EVENTS}

DONE, REUSED, FAILED, GAVE_UP = "done", "reused", "failed", "gave_up"
RETRIED, DIED, TIMED_OUT, DAMAGED = "retried", "died", "timed_out", "damaged"
PREEMPTED, EVICTED, REDUCED = "preempted", "evicted", "reduced"
FREE = (PREEMPTED, EVICTED)
"""Outcomes of attempts that are not charged to the item."""
SETTLED = (DONE, REUSED, FAILED, GAVE_UP)
"""Outcomes after which an item is not tried again in this run. ``failed``: it can never work. ``gave_up``: the limit of
attempts was reached. The others tell of one attempt: ``retried`` raised, ``died`` took its worker with it,
``timed_out`` took too long and was ended with its worker, ``preempted`` was on a machine that went away, ``evicted``
lost its worker because its machine ran short of memory, whoever took it (the next has the machine to itself).
``reduced`` ran out of the device's memory and went on with half the batch or tile, within the same attempt. ``damaged``
is a committed artifact that no longer verified and was removed."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """A row of ``videos``."""

    table: ClassVar[str] = "videos"
    source: str
    output: str
    video: str = ""
    sha256: str = ""
    size: int = 0
    version: str = ""
    chunks: int | None = None
    recorded: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A row of ``chunks``."""

    table: ClassVar[str] = "chunks"
    video: str
    plan: str
    fingerprint: str
    chunk: int
    shot: int
    start: int
    stop: int
    head: int
    tail: int
    recorded: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class Event:
    """A row of ``events``: one attempt at one item, or the news that none was needed."""

    table: ClassVar[str] = "events"
    stage: str
    outcome: str
    video: str = ""
    chunk: int = -1
    source: str = ""
    plan: str = ""
    fingerprint: str = ""
    attempt: int = 0
    worker: str = ""
    node: str = ""
    started: datetime = field(default_factory=_now)
    seconds: float = 0.0
    bytes: int = 0
    error_class: str = ""
    message: str = ""
    traceback: str = ""
    facts: str = "{}"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    recorded: datetime = field(default_factory=_now)


Record = VideoRecord | ChunkRecord | Event


def to_table(name: str, epoch: int, records: list[Record]) -> pa.Table:
    """Return the rows as a table of the named schema."""
    schema = TABLES[name]
    columns: dict[str, list[Any]] = {column: [] for column in schema.names}
    for record in records:
        columns["epoch"].append(epoch)
        for item in fields(record):
            columns[item.name].append(getattr(record, item.name))
    return pa.table(columns, schema=schema)


def moment(seconds: float) -> datetime:
    """Return a time in seconds since 1970 as the manifest writes it."""
    return datetime.fromtimestamp(seconds, UTC)


def since(started: float) -> float:
    """Return the seconds since ``started`` (``time.perf_counter``), to the microsecond."""
    return round(time.perf_counter() - started, 6)
