"""One stage's workers as the driver sees them: Ray actors, the rows each has in hand, and the rows that wait.

A row whose attempt failed goes to the front of the queue and to another worker, if the pool has one. A worker that dies
is replaced, wherever Ray has room; what it had in hand goes back to the queue. There are as many as the work can keep
busy, between the share's least and most: what waits here, and what the stages before it have yet to send. One that has
nothing to do any more is kept warm for a while.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray

from pipeline.executors.nodes import has_room
from pipeline.executors.sizing import Share

WARM_SECONDS = 120.0
"""How long a worker without work is kept: loading a model takes longer than waiting for the next video."""


@dataclass(eq=False, slots=True)
class Task:
    """A packed row on its way to a worker.

    Attributes:
        packed: the row.
        avoid: the workers that failed at it.
        alone: see ``alone``.
        chunks: what it will be for the stages to come, a guess.
    """

    packed: dict[str, str]
    avoid: set[int] = field(default_factory=set)
    alone: bool = False
    chunks: int = 1


@dataclass(eq=False, slots=True)
class Hand:
    """A worker: an actor, its machine and its name, and what it has been given, by the reference to the answer."""

    actor: Any
    started: Any
    node: str = ""
    worker: str = ""
    tasks: dict[Any, Task] = field(default_factory=dict)
    idle: float = field(default_factory=time.monotonic)
    leaving: bool = False

    @property
    def ready(self) -> bool:
        """Whether it has been set up."""
        return self.started is None


class Pool:
    """The workers of one stage.

    Args:
        stage: its name.
        spawn: starts an actor with these options of Ray.
        share: what a worker asks for, and how many there may be.
        depth: rows that a worker is given at a time: one at work, the others waiting.
    """

    def __init__(self, stage: str, spawn: Callable[[dict[str, Any]], Any], share: Share, depth: int) -> None:
        self.stage, self.spawn, self.share, self.depth = stage, spawn, share, depth
        self.waiting: deque[Task] = deque()
        self.hands: list[Hand] = []
        self.deaths = 0
        """Workers that died one after the other, none of them having answered anything."""
        self.done, self.seconds = 0, 0.0
        """Chunks that were made in this run, and the time it took."""
        self.most = share.most

    def submit(self, task: Task, again: bool = False) -> None:
        """Queue a row; at the front, if it was tried before."""
        if again:
            self.waiting.appendleft(task)
        else:
            self.waiting.append(task)

    def references(self) -> Iterator[Any]:
        """All references that an answer is waited for."""
        for hand in self.hands:
            if hand.started is not None:
                yield hand.started
            yield from hand.tasks

    def starves(self) -> bool:
        """Whether it has fewer workers than it must have, and no machine has room for another one."""
        if sum(hand.ready for hand in self.hands) >= self.share.least:
            return False
        return not has_room(self.share.cpus, self.share.gpus, self.share.labels)

    def tasks(self) -> Iterator[Task]:
        """All that wait or are being worked at."""
        yield from self.waiting
        for hand in self.hands:
            yield from hand.tasks.values()

    def resize(self, coming: int = 0, room: bool = True) -> None:
        """Start workers that are missing for the work there is, and end those that were idle for long.

        Args:
            coming: rows that the stages before it have yet to send, a guess. A pool that is to be busy soon has its
                workers ready by then, and keeps them.
            room: False: another pool starves, so this one goes back to its least.
        """
        most = max(self.share.least, self.most if room else 0)
        own = len(self.waiting) + sum(len(hand.tasks) for hand in self.hands)
        wanted = max(self.share.least, min(most, own + coming))
        for _ in range(wanted - len(self.hands)):
            actor = self.spawn(self.share.options)
            self.hands.append(Hand(actor, actor.ready.remote()))
        for number, hand in enumerate(list(self.hands)):
            hand.leaving = number >= most
            warm = not hand.leaving and (not hand.ready or time.monotonic() - hand.idle < WARM_SECONDS)
            if not hand.tasks and not warm and len(self.hands) > wanted:
                self.end(hand)

    def assign(self, closed: str = "") -> None:
        """Give rows to workers that have room, to the least busy first; to none on the machine that is ``closed``."""
        while self.waiting:
            able = (
                hand for hand in self.hands if hand.ready and not hand.leaving and (not closed or hand.node != closed)
            )
            free = [hand for hand in able if len(hand.tasks) < self.depth]
            if not free:
                return
            for hand in sorted(free, key=lambda hand: len(hand.tasks)):
                task = self._for(hand)
                if task is not None:
                    self.give(hand, task)
                    break
            else:
                return

    def give(self, hand: Hand, task: Task) -> None:
        """Give a waiting row to a worker."""
        self.waiting.remove(task)
        hand.tasks[hand.actor.take.remote(task.packed)] = task

    def _for(self, hand: Hand) -> Task | None:
        """Find the first row that this worker has not failed at, or that no other worker could take."""
        for task in self.waiting:
            others = any(other.ready and id(other) not in task.avoid for other in self.hands)
            if not task.alone and (id(hand) not in task.avoid or not others):
                return task
        return None

    def end(self, hand: Hand) -> list[Task]:
        """End a worker; return what it had in hand."""
        ray.kill(hand.actor)
        self.hands.remove(hand)
        return list(hand.tasks.values())
