"""What a manifest says of every video: one pass over its events, a few numbers kept of each.

States are those of ``pipeline.status``: what stands failed, and what is published. Besides them the account has what a
page shows: chunks, seconds of each, and every event that was not plain success.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pipeline import manifest
from pipeline.fingerprint import STAGES
from pipeline.published import Publication, Publications
from pipeline.recorded import recorded
from pipeline.schemas import DONE, REUSED
from pipeline.status import failed_sources, forget_replaced, standing_failures
from pipeline.storage import Storage
from pipeline.tally import Failure, Tally

STATES = ("failed", "left", "done")
"""In the order in which videos are listed: what failed comes first."""

MOST_TROUBLES = 200
"""Events other than success that are kept of one video; the manifest has them all."""

_EVENTS = (
    *("epoch", "recorded", "source", "video", "chunk", "stage", "plan", "attempt", "worker", "node", "started"),
    *("seconds", "bytes", "outcome", "error_class", "message", "traceback", "facts"),
)
_CHUNKS = ("video", "plan", "fingerprint", "chunk", "shot", "start", "stop", "head", "tail")


@dataclass(slots=True)
class StageAccount:
    """One stage's work on one video.

    Attributes:
        plan: fingerprint of the stage's plan of the video; what an earlier plan did is forgotten.
        seconds: of all attempts; finding what was there already counts for nothing.
        outcomes: outcome -> number of events.
        chunk_seconds: of each chunk, by its number; 0 where it was not computed.
        nodes: names of the machines.
    """

    plan: str = ""
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    chunk_seconds: array[float] = field(default_factory=lambda: array("f"))
    nodes: set[str] = field(default_factory=set)

    def add(self, event: dict[str, Any]) -> None:
        """Add an event of this stage."""
        if event["plan"] and event["plan"] != self.plan:
            self.plan, self.seconds = event["plan"], 0.0
            self.outcomes, self.chunk_seconds = Counter(), array("f")
        self.outcomes[event["outcome"]] += 1
        if event["outcome"] == REUSED:
            return
        self.seconds += event["seconds"]
        if event["node"]:
            self.nodes.add(event["node"])
        if event["chunk"] >= 0 and event["outcome"] == DONE:
            missing = event["chunk"] + 1 - len(self.chunk_seconds)
            self.chunk_seconds.extend([0.0] * max(0, missing))
            self.chunk_seconds[event["chunk"]] = event["seconds"]


@dataclass(slots=True)
class Content:
    """What is known of a video's content, which several sources may share.

    Attributes:
        plan: fingerprint of the split plan that the chunks belong to.
        chunks: number, shot, start, stop, head, tail of each chunk, one after the other.
        fingerprints: number of a chunk -> fingerprint of its split artifact.
        stages: stage -> account.
        troubles: events that were not plain success, oldest first.
    """

    plan: str = ""
    chunks: array[int] = field(default_factory=lambda: array("q"))
    fingerprints: dict[int, str] = field(default_factory=dict)
    stages: dict[str, StageAccount] = field(default_factory=dict)
    troubles: list[dict[str, Any]] = field(default_factory=list)

    def chunk_rows(self) -> list[tuple[int, ...]]:
        """Return (number, shot, start, stop, head, tail) of every chunk, in order, each once."""
        rows = {self.chunks[at]: tuple(self.chunks[at : at + 6]) for at in range(0, len(self.chunks), 6)}
        return [rows[number] for number in sorted(rows)]


@dataclass(slots=True)
class VideoAccount:
    """One source of the run.

    Attributes:
        source: URL or path without credentials.
        output: place below the output folder, without suffix.
        state: one of ``STATES``.
        published: what is published of it, None if that is not what it should be.
        finished: when it was published (ISO 8601, UTC), "" if it was not.
        failures: what stands failed of it; what failed of a content is told of each source that has it.
        damage: what of the source could not be read, with timestamps; "" if all could.
        left_out: what of the source is not in the result; "" if all is.
        decoded_sound: which sound is kept as samples; "" if all is as it was coded.
        own: events about the source itself.
    """

    source: str
    output: str
    video: str
    sha256: str
    size: int
    version: str
    state: str = "left"
    published: Publication | None = None
    finished: str = ""
    failures: list[Failure] = field(default_factory=list)
    damage: str = ""
    left_out: str = ""
    decoded_sound: str = ""
    own: Content = field(default_factory=Content)
    content: Content = field(default_factory=Content)

    @property
    def reasons(self) -> list[str]:
        """Messages of what stands failed, each once."""
        return list(dict.fromkeys(failure.message for failure in self.failures if failure.message))

    def stages(self) -> dict[str, StageAccount]:
        """Return stage -> account, in the order of the stages: of the chunks where there are any, else of the whole."""
        found = self.own.stages | self.content.stages
        return {stage: found[stage] for stage in STAGES if stage in found}

    def seconds(self) -> float:
        """Return the seconds that all attempts at all stages took. Of split that is the time of its chunks: the whole
        also has the time in which split waited for later stages."""
        return sum(stage.seconds for stage in self.stages().values())

    def troubles(self) -> list[dict[str, Any]]:
        """Return the events that were not plain success, oldest first."""
        return sorted([*self.own.troubles, *self.content.troubles], key=lambda event: str(event["recorded"]))


@dataclass(slots=True)
class RunAccount:
    """All of a run: its videos, those that failed first, and the tally that ``reelift status`` shows."""

    videos: list[VideoAccount]
    tally: Tally
    epoch: int

    def seconds(self) -> dict[str, float]:
        """Return stage -> seconds of work on all videos; what several sources share counts once."""
        total = dict.fromkeys(STAGES, 0.0)
        seen: set[str] = set()
        for video in self.videos:
            for name, stage in video.stages().items():
                if name == "assemble" or video.video not in seen or not video.video:
                    total[name] += stage.seconds
            seen.add(video.video)
        return total


def read_account(storage: Storage) -> RunAccount:
    """Fold the manifest of a workspace; one part of it is in memory at a time.

    Raises:
        StorageError: if it cannot be read.
    """
    sources = recorded(storage)
    videos = {
        source: VideoAccount(source, facts.output, facts.video, facts.sha256, facts.size, facts.version)
        for source, facts in sources.items()
    }
    contents: dict[str, Content] = {}
    for video in videos.values():
        if video.video:
            video.content = contents.setdefault(video.video, Content())
    tally, published, newest = Tally(), Publications(), 0
    for table in manifest.read(storage, "events", _EVENTS):
        for event in table.to_pylist():
            newest = max(newest, event["epoch"])
            tally.add(SimpleNamespace(**event))
            published.add(event)
            _add_event(event, videos, contents)
    _add_chunks(storage, contents)
    forget_replaced(tally, sources)
    for failure, concerned in standing_failures(tally, sources):
        for video in (videos[source] for source in concerned if source in videos):
            video.failures.append(failure)
    broken = failed_sources(tally, sources)
    for video in videos.values():
        remarks = tally.damage, tally.left_out, tally.decoded_sound
        video.damage, video.left_out, video.decoded_sound = (each.get(video.source, "") for each in remarks)
        video.state = "failed" if video.source in broken else "done" if tally.is_done(video.source) else "left"
        if video.state == "done":  # what there may be of others, from before, was made of other chunks
            video.published = published.newest[video.source]
    ordered = sorted(videos.values(), key=lambda video: (STATES.index(video.state), video.output))
    return RunAccount(ordered, tally, newest)


def _add_event(event: dict[str, Any], videos: dict[str, VideoAccount], contents: dict[str, Content]) -> None:
    account = videos.get(event["source"])
    place = account.own if account is not None else contents.get(event["video"])
    if place is None:
        return
    place.stages.setdefault(event["stage"], StageAccount()).add(event)
    outcome = event["outcome"]
    if outcome not in (DONE, REUSED) and len(place.troubles) < MOST_TROUBLES:
        place.troubles.append({**event, "recorded": event["recorded"].isoformat(timespec="seconds"), "started": None})
    if account is None or event["stage"] != "assemble":
        return
    if outcome == DONE or (outcome == REUSED and not account.finished):
        account.finished = event["recorded"].isoformat(timespec="seconds")


def _add_chunks(storage: Storage, contents: dict[str, Content]) -> None:
    for table in manifest.read(storage, "chunks", _CHUNKS):
        for row in table.to_pylist():
            content = contents.get(row["video"])
            if content is None:
                continue
            if content.plan != row["plan"]:
                content.plan, content.chunks = row["plan"], array("q")
                content.fingerprints = {}
            content.chunks.extend(row[name] for name in _CHUNKS[3:])
            content.fingerprints[row["chunk"]] = row["fingerprint"]
