"""How many workers a pool has, and which of them gets a row: with made-up workers, without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.executors import pool as pools
from pipeline.executors.pool import WARM_SECONDS, Hand, Pool, Task
from pipeline.executors.sizing import Share


class MadeUpActor:
    """Answers nothing; remembers what it was given."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.taken = options, []
        self.ready = SimpleNamespace(remote=object)
        self.take = SimpleNamespace(remote=self._take)

    def _take(self, packed: dict[str, str]) -> object:
        self.taken.append(packed["row"])
        return object()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, to be changed by the test; no worker is really ended."""
    now = [1000.0]
    monkeypatch.setattr(pools.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(pools.ray, "kill", lambda actor: None)
    yield now


def make(least: int, most: int, **options: Any) -> Pool:
    return Pool("sample", MadeUpActor, Share(least, most, cpus=1.0, gpus=0.0, **options), depth=1)


def settle(pool: Pool) -> None:
    """All workers are set up."""
    for hand in pool.hands:
        hand.started, hand.node, hand.idle = None, "host/1", pools.time.monotonic()


def task(name: str) -> Task:
    return Task({"row": name})


def finish(hand: Hand) -> None:
    hand.tasks.clear()
    hand.idle = pools.time.monotonic()


def test_it_starts_at_the_size_that_the_work_wants(clock: list[float]) -> None:
    for least, most, coming, expected in ((1, 4, 9, 4), (1, 4, 2, 2), (3, 4, 1, 3)):
        pool = make(least, most, labels={"gpu": "L4"})
        pool.resize(coming)
        assert len(pool.hands) == expected
        assert pool.hands[0].actor.options["label_selector"] == {"gpu": "L4"}


def test_a_worker_without_work_is_kept_warm_and_then_ended_down_to_the_least(clock: list[float]) -> None:
    pool = make(1, 3)
    for name in ("a", "b", "c"):
        pool.submit(task(name))
    pool.resize()
    settle(pool)
    pool.assign()
    assert [len(hand.tasks) for hand in pool.hands] == [1, 1, 1]
    for hand in pool.hands:
        finish(hand)
    clock[0] += WARM_SECONDS - 1
    pool.resize()
    assert len(pool.hands) == 3, "work may come any moment"
    clock[0] += 2
    pool.resize()
    assert len(pool.hands) == 1


def test_workers_without_work_stay_while_earlier_stages_have_some_for_them(clock: list[float]) -> None:
    pool = make(1, 3)
    pool.resize(coming=2)
    settle(pool)
    clock[0] += 10 * WARM_SECONDS
    pool.resize(coming=2)
    assert len(pool.hands) == 2, "to end them now would mean to load the model again"
    pool.resize(coming=0)
    assert len(pool.hands) == 1


def test_one_that_is_too_many_for_the_room_ends_its_work_and_leaves_at_once(clock: list[float]) -> None:
    pool = make(1, 2)
    pool.submit(task("a"))
    pool.submit(task("b"))
    pool.resize()
    settle(pool)
    pool.assign()
    pool.resize(room=False)
    assert len(pool.hands) == 2, "what it works on is finished"
    last = pool.hands[1]
    finish(last)
    pool.submit(task("c"))
    pool.assign()
    assert not last.tasks, "it is given nothing more"
    pool.resize(room=False)
    assert last not in pool.hands and len(pool.hands) == 1


def test_a_row_that_failed_goes_to_another_worker_before_all_others(clock: list[float]) -> None:
    pool = make(2, 2)
    pool.resize()
    settle(pool)
    failed, later = task("failed"), task("later")
    first, second = pool.hands
    failed.avoid.add(id(first))
    pool.submit(later)
    pool.submit(failed, again=True)
    pool.assign()
    assert (first.actor.taken, second.actor.taken) == (["later"], ["failed"])
    only = make(1, 1)
    only.resize()
    settle(only)
    failed.avoid.add(id(only.hands[0]))
    only.submit(failed, again=True)
    only.assign()
    assert only.hands[0].actor.taken == ["failed"], "where there is no other, the same one"
