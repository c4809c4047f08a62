"""Workers that die: because their machine leaves, or over and over before they have done anything. Without Ray."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.accounting import OUT_OF_MEMORY
from pipeline.executors import nodes, pool, scheduler
from pipeline.executors.alone import Alone
from pipeline.executors.pool import Hand, Pool, Task
from pipeline.executors.sizing import Share
from pipeline.schemas import EVICTED
from pipeline.wrapper import SetupError

MACHINE = "0123456789abcdef"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """Where Ray's own process on the machine takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.fixture
def alive(door: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether the machine is there, at each time that Ray is asked; the last answer stays."""
    answers = [True]
    address, port = door.getsockname()
    machine = {"NodeID": MACHINE, "NodeManagerAddress": address, "NodeManagerPort": port}

    def listed() -> list[dict[str, Any]]:
        return [{**machine, "Alive": answers.pop(0) if len(answers) > 1 else answers[0]}]

    monkeypatch.setattr(nodes.ray, "nodes", listed)
    yield answers


def test_a_machine_that_shuts_down_ends_its_workers_before_it_is_gone(
    alive: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(nodes.time, "sleep", waited.append)
    alive[:] = [True, True, True, False]
    assert nodes.LiveNodes().is_gone(f"host/{MACHINE[:8]}")
    assert len(waited) == 3


def test_a_machine_that_stays_is_not_waited_for_long(alive: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(nodes.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(nodes.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert not nodes.LiveNodes().is_gone(f"host/{MACHINE[:8]}")
    assert 1 <= now[0] <= 5


def test_a_machine_whose_raylet_was_killed_is_gone_before_ray_says_so(alive: list[bool], door: socket.socket) -> None:
    assert not nodes.is_gone(f"host/{MACHINE[:8]}")
    door.close()
    assert alive == [True] and nodes.is_gone(f"host/{MACHINE[:8]}")


def evict(alone: Alone, pool: Pool, task: Task, worker: str) -> str:
    """Its worker is ended with this row in hand; return what the next one is told of it."""
    hand = Hand(None, None, node="host/1", worker=worker, tasks={"answer": task})
    alone.blame(pool, hand)
    verdict: str = json.loads(task.packed["lost"])[worker]
    return verdict


def test_a_row_is_to_blame_when_it_had_the_machine_to_itself() -> None:
    pool = Pool("sample", lambda options: None, Share(1, 1, cpus=1.0, gpus=0.0), depth=2)
    alone, task = Alone({"sample": pool}), Task({"row": "a"})
    assert evict(alone, pool, task, "first") == EVICTED and task.alone
    assert evict(alone, pool, task, "second") == OUT_OF_MEMORY
    assert json.loads(task.packed["lost"]) == {"first": EVICTED, "second": OUT_OF_MEMORY}


def test_split_which_is_never_alone_is_to_blame_from_the_second_time_on_unless_another_has_its_turn() -> None:
    split, sample = (Pool(name, lambda options: None, Share(1, 1, 1.0, 0.0), depth=2) for name in ("split", "sample"))
    alone, film = Alone({"split": split, "sample": sample}), Task({"row": "film"})
    assert evict(alone, split, film, "first") == EVICTED and not film.alone
    hungry = Task({"row": "a"}, alone=True)
    worker = Hand(None, None, node="host/1", tasks={"answer": hungry})
    sample.hands.append(worker)
    alone._turn = (sample, hungry, worker)
    assert evict(alone, split, film, "second") == EVICTED
    worker.tasks.clear()
    assert evict(alone, split, film, "third") == OUT_OF_MEMORY


@pytest.fixture
def siege(alive: list[bool], monkeypatch: pytest.MonkeyPatch) -> scheduler.Scheduler:
    """A scheduler of one pool of eight workers, who die of every row."""
    monkeypatch.setattr(pool.ray, "kill", lambda actor: None)
    found = object.__new__(scheduler.Scheduler)

    def spawn(options: dict[str, Any]) -> Any:
        return SimpleNamespace(ready=SimpleNamespace(remote=object))

    found.job = SimpleNamespace(attempts=3)  # type: ignore[assignment]
    found.pools = {"sample": Pool("sample", spawn, Share(8, 8, cpus=1.0, gpus=0.0), depth=2)}
    found.alone, found._left = Alone(found.pools), set()
    found.pools["sample"].resize()
    return found


def test_only_pools_that_could_run_there_make_room_for_one_without_a_worker(
    siege: scheduler.Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "has_room", lambda *asked: False)
    for stage, label in (("flow", "cheap"), ("decode", "big")):
        share = Share(1, 3, cpus=1.0, gpus=0.0, labels={"gpu": label})
        siege.pools[stage] = Pool(stage, siege.pools["sample"].spawn, share, depth=2)
        siege.pools[stage].resize(coming=3)
        for hand in siege.pools[stage].hands:
            hand.started = None
    siege.pools["sample"].share = Share(8, 8, cpus=1.0, gpus=0.0, labels={"gpu": "big"})  # none of them is ready
    siege.pools["split"] = siege.pools["assemble"] = siege.pools["flow"]
    siege._resize()
    assert {stage: len(siege.pools[stage].hands) for stage in ("flow", "decode")} == {"flow": 3, "decode": 1}


def die(siege: scheduler.Scheduler) -> None:
    """The worker that has been there for longest dies."""
    found = siege.pools["sample"]
    hand: Hand = found.hands[0]
    hand.started, hand.node = None, f"host/{MACHINE[:8]}"
    siege._died(found, hand, RuntimeError("the actor died"))


def test_many_items_at_once_may_kill_their_workers_as_often_as_they_are_tried(siege: scheduler.Scheduler) -> None:
    for _ in range(8 * 3):  # as where a machine of eight GPUs leaves, or a video is poison in all its chunks
        die(siege)
    assert len(siege.pools["sample"].hands) == 8


def test_workers_that_never_do_anything_end_the_run(siege: scheduler.Scheduler) -> None:
    with pytest.raises(SetupError, match="sample workers die before they have done anything"):
        for _ in range(8 * 20):
            die(siege)
