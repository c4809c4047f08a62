"""Rows whose worker Ray ended because a machine ran short of memory: whose fault was it?

Ray's memory monitor ends the workers that have been at their task for the shortest time, not those that take the most.
So the row that a worker lost by it is not charged with it, but the next time it gets a machine to itself: nothing else
is begun there before it has been answered, and it begins when what was begun is finished. If it is ended again, it was
its own fault, and it is charged. Split goes on beside it: its turns are whole videos, and it waits for the others. It
never has a machine to itself, so it is charged from the second time on, unless another row had its turn there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.accounting import OUT_OF_MEMORY
from pipeline.executors.pool import Hand, Pool, Task
from pipeline.schemas import EVICTED


class Alone:
    """Gives one row after the other a machine to itself.

    Args:
        pools: stage -> pool.
    """

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self.pools = pools
        self._turn: tuple[Pool, Task, Hand] | None = None

    def blame(self, pool: Pool, hand: Hand) -> None:
        """Take note of a worker that was ended to save memory, before what it had in hand is put back."""
        task = next(iter(hand.tasks.values()), None)  # the one at work; the others had not begun
        if task is None:
            return
        lost = json.loads(task.packed.get("lost", "{}"))
        guilty = task.alone or (pool.stage == "split" and lost and not self._has_turn(hand.node))
        # By the worker's name: it may not have begun, and what another one began is not charged for it.
        lost[hand.worker] = OUT_OF_MEMORY if guilty else EVICTED
        task.packed["lost"] = json.dumps(lost)
        task.alone = pool.stage != "split"

    def step(self) -> str:
        """Give a row its turn if one waits for it; return the machine on which nothing is to be begun, "" for none."""
        if self._turn is None or not self._goes_on(*self._turn):
            self._turn = self._next()
        if self._turn is None:
            return ""
        pool, task, hand = self._turn
        if task in pool.waiting and not any(self._busy(each, hand.node) for each in self.pools.values()):
            pool.give(hand, task)
        return hand.node

    def _has_turn(self, node: str) -> bool:
        return self._turn is not None and self._goes_on(*self._turn) and self._turn[2].node == node

    def _goes_on(self, pool: Pool, task: Task, hand: Hand) -> bool:
        return hand in pool.hands and (task in pool.waiting or task in hand.tasks.values())

    def _next(self) -> tuple[Pool, Task, Hand] | None:
        for pool in self.pools.values():
            able = [hand for hand in pool.hands if hand.ready and not hand.leaving]
            task = next((task for task in pool.waiting if task.alone), None)
            if able and task is not None:
                return pool, task, min(able, key=lambda hand: (id(hand) in task.avoid, len(hand.tasks)))
        return None

    def _busy(self, pool: Pool, node: str) -> bool:
        return pool.stage != "split" and any(hand.tasks for hand in pool.hands if hand.node == node)
