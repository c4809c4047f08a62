"""The fold of events: what became of every chunk and video, in a few bits each.

A chunk's state at a stage is one bit in an integer per video and stage, so a million chunks fit in a megabyte. The
last event about an item counts. When a stage's plan of a video changes (other settings), what that stage and the later
ones did before is forgotten, and the video is done no more until it is published anew. So it is when its source was
split, or split again: a run does not do that to a video which is published as it would be.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.fingerprint import STAGES
from pipeline.schemas import DONE, FAILED, REUSED, SETTLED

MANY = 1000
"""Tracebacks are kept of so many failures; the manifest has them all."""

GOOD = (DONE, REUSED)


@dataclass(slots=True)
class _Bits:
    plan: str = ""
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed for good."""

    stage: str
    source: str
    video: str
    chunk: int
    attempts: int
    outcome: str
    error_class: str
    message: str
    traceback: str = ""


@dataclass
class Tally:
    """Counts items, not events: the same item twice is one item.

    Attributes:
        failures: (stage, video or source, chunk) -> failure, for items that stand failed.
        outcomes: stage -> outcome -> number of events, for accounts of attempts.
        seconds: stage -> time spent in attempts.
        damage: source -> what of it could not be read, of videos that were published all the same.
        left_out: source -> what of it is not in what was published, like a second video stream.
        decoded_sound: source -> which of its sound is kept as samples, because Matroska cannot hold it as it is coded.
    """

    failures: dict[tuple[str, str, int], Failure] = field(default_factory=dict)
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: {stage: Counter() for stage in STAGES})
    seconds: Counter[str] = field(default_factory=Counter)
    damage: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    decoded_sound: dict[str, str] = field(default_factory=dict)
    _chunks: dict[str, dict[str, _Bits]] = field(default_factory=dict)
    _videos: dict[str, dict[str, str]] = field(default_factory=dict)
    _published: dict[str, tuple[str, int]] = field(default_factory=dict)  # source -> video, and _anew of it by then
    _anew: Counter[str] = field(default_factory=Counter)  # video -> how often a plan of it has changed
    _done: Counter[str] = field(default_factory=Counter)
    _failed: Counter[str] = field(default_factory=Counter)

    def add(self, event: Any) -> bool:
        """Add an event (an ``Event`` or anything with its attributes); return whether an item's state changed."""
        if event.stage not in self.outcomes:
            return False
        self.outcomes[event.stage][event.outcome] += 1
        self.seconds[event.stage] += event.seconds
        if event.outcome not in SETTLED:
            return False
        good = event.outcome in GOOD
        changed = self._add_chunk(event, good) if event.chunk >= 0 else self._add_video(event, good)
        self._note_failure(event, good)
        self._note_remarks(event, good)
        return changed

    def done(self, stage: str) -> int:
        """Return the number of chunks that the stage has done."""
        return self._done[stage]

    def failed(self, stage: str) -> int:
        """Return the number of chunks that failed at the stage."""
        return self._failed[stage]

    def known(self) -> int:
        """Return the number of chunks known so far."""
        return self._done["split"]

    def lost(self, stage: str) -> int:
        """Return the number of chunks that never reach the stage, because they failed before it."""
        return sum(self._failed[earlier] for earlier in STAGES[: STAGES.index(stage)])

    def videos(self, stage: str, state: str) -> int:
        """Return the number of sources in a state (``DONE`` or ``FAILED``) at split or assemble."""
        if (stage, state) == ("assemble", DONE):
            return sum(map(self.is_done, self._published))
        return sum(stages.get(stage) == state for stages in self._videos.values())

    def is_done(self, source: str) -> bool:
        """Whether a source is published, and nothing was begun since that will publish it anew."""
        video, anew = self._published.get(source, ("", -1))
        return self._anew[video] == anew

    def failed_sources(self) -> dict[str, str]:
        """Return the sources that failed at split or assemble, with the stage."""
        return {
            source: stage
            for source, stages in self._videos.items()
            for stage, state in stages.items()
            if state == FAILED
        }

    def add_done(self, stage: str, video: str, plan: str, chunks: int) -> None:
        """Take note that a stage has done these chunks of a video: a bit each."""
        bits = self._of(stage, video, plan)
        self._done[stage] += (chunks & ~bits.done).bit_count()
        self._failed[stage] -= (chunks & bits.failed).bit_count()
        bits.done, bits.failed = bits.done | chunks, bits.failed & ~chunks

    def forget(self, video: str) -> None:
        """Take back what was done to the chunks of a content that no source has any more, and what failed of them."""
        stages = self._chunks.pop(video, {})
        for stage in list(stages):
            self._forget(stages, stage, video)

    def withdraw(self, source: str, video: str) -> None:
        """Take back that a source is published, if that was of another content than this one, which it has now."""
        if self._published.get(source, (video, 0))[0] != video:
            del self._published[source]

    def undone(self, stage: str) -> int:
        """Return the number of chunks that are split and that the stage has not done: the anti-join of a resume."""
        return sum(
            (stages["split"].done & ~(stages[stage].done if stage in stages else 0)).bit_count()
            for stages in self._chunks.values()
            if "split" in stages
        )

    def begins_anew(self, stage: str, video: str, plan: str) -> bool:
        """Whether a chunk of this plan makes what the stage, and those after it, did before be forgotten."""
        bits = self._chunks.get(video, {}).get(stage)
        return bits is None or bool(plan and bits.plan != plan)

    def _of(self, stage: str, video: str, plan: str) -> _Bits:
        stages = self._chunks.setdefault(video, {})
        bits = stages.get(stage)
        if bits is None or self.begins_anew(stage, video, plan):
            if bits is not None:
                self._anew[video] += 1
            for later in STAGES[STAGES.index(stage) :]:
                self._forget(stages, later, video)
            bits = stages[stage] = _Bits(plan)
        return bits

    def _add_video(self, event: Any, good: bool) -> bool:
        stages = self._videos.setdefault(event.source, {})
        if event.stage == "assemble" and good:
            self._published[event.source] = (event.video, self._anew[event.video])
            stages.pop("split", None)  # it may have been published without being split again after a failure
            self.failures.pop(("split", event.source, -1), None)
        else:
            self._published.pop(event.source, None)
        before, stages[event.stage] = stages.get(event.stage), DONE if good else FAILED
        return before != stages[event.stage]

    def _add_chunk(self, event: Any, good: bool) -> bool:
        bits = self._of(event.stage, event.video, event.plan)
        bit = 1 << event.chunk
        before = (bits.done & bit, bits.failed & bit)
        self._done[event.stage] += int(good) - int(before[0] > 0)
        self._failed[event.stage] += int(not good) - int(before[1] > 0)
        bits.done = bits.done | bit if good else bits.done & ~bit
        bits.failed = bits.failed & ~bit if good else bits.failed | bit
        return before != (bits.done & bit, bits.failed & bit)

    def _forget(self, stages: dict[str, _Bits], stage: str, video: str) -> None:
        bits = stages.pop(stage, None)
        if bits is not None:
            self._done[stage] -= bits.done.bit_count()
            self._failed[stage] -= bits.failed.bit_count()
            for chunk in range(bits.failed.bit_length()):
                self.failures.pop((stage, video, chunk), None)

    def _note_remarks(self, event: Any, good: bool) -> None:
        if event.stage != "assemble":
            return
        facts = json.loads(getattr(event, "facts", "") or "{}") if good else {}
        for name in ("damage", "left_out", "decoded_sound"):
            remarks: dict[str, str] = getattr(self, name)
            remarks.pop(event.source, None)
            if facts.get(name):
                remarks[event.source] = facts[name]

    def _note_failure(self, event: Any, good: bool) -> None:
        key = (event.stage, event.source if event.chunk < 0 else event.video, event.chunk)
        if good:
            self.failures.pop(key, None)
            return
        self.failures[key] = Failure(
            event.stage,
            event.source,
            event.video,
            event.chunk,
            event.attempt,
            event.outcome,
            event.error_class,
            event.message,
            event.traceback if len(self.failures) < MANY else "",
        )
