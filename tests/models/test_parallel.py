"""Pieces of work on several threads."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from models.parallel import Abandoned, check_wanted, in_parallel, shared_out, threads_on


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    torch.set_num_threads(threads)
    assert in_parallel(lambda number: number**2, range(20)) == [number**2 for number in range(20)]
    assert torch.get_num_threads() == threads


def test_pieces_are_worked_on_at_the_same_time() -> None:
    torch.set_num_threads(3)
    meeting = threading.Barrier(3, timeout=30)
    in_parallel(lambda _: meeting.wait(), range(3))


def test_a_piece_has_one_thread_and_its_own_pieces_come_one_after_the_other() -> None:
    torch.set_num_threads(2)

    def work(_: int) -> tuple[int, int, set[int]]:
        (torch.rand(200, 200) @ torch.rand(200, 200)).sum()
        return torch.get_num_threads(), threads_on(), set(in_parallel(lambda _: threading.get_ident(), range(4)))

    found = in_parallel(work, range(8))
    assert all(threads == others == len(within) == 1 for threads, others, within in found)


def test_threads_that_come_into_being_later_have_as_many_as_before() -> None:
    torch.set_num_threads(4)
    in_parallel(lambda _: None, range(4))
    found: list[int] = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [4]


@pytest.mark.parametrize("threads", [1, 2])
def test_no_gradients_are_recorded_and_inference_tensors_can_be_written(threads: int) -> None:
    torch.set_num_threads(threads)
    weight = torch.ones(3, requires_grad=True)
    assert not any(each.requires_grad for each in in_parallel(lambda _: 2 * weight, range(2)))
    with torch.inference_mode():
        found = torch.zeros(4)

        def fill(place: int) -> None:
            found[place] = place

        in_parallel(fill, range(4))
    assert found.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_piece_raises_is_raised(threads: int) -> None:
    torch.set_num_threads(threads)

    def work(number: int) -> None:
        if number == 2:
            raise ValueError("piece 2")

    with pytest.raises(ValueError, match="piece 2"):
        in_parallel(work, range(4))


def test_when_one_fails_the_others_are_given_up_and_have_ended() -> None:
    torch.set_num_threads(2)
    ended: list[type[BaseException] | None] = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("piece 0")
        try:
            for _ in range(3000):
                time.sleep(0.01)
                in_parallel(lambda _: None, range(2))
        finally:
            ended.append(sys.exc_info()[0])

    with pytest.raises(ValueError, match="piece 0"):
        in_parallel(work, range(2))
    assert ended == [Abandoned]
    assert in_parallel(lambda number: number, range(2)) == [0, 1]


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """A shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_does_not_wait_for_long_pieces(heeding_ctrl_c: None) -> None:
    torch.set_num_threads(2)
    started, begun = threading.Event(), time.monotonic()

    def work(_: int) -> None:
        started.set()
        for _ in range(6000):
            time.sleep(0.01)
            check_wanted()

    def strike() -> None:
        started.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=strike).start()
    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, range(2))
    assert time.monotonic() - begun < 20


def test_on_another_device_they_come_one_after_the_other() -> None:
    torch.set_num_threads(2)
    device = torch.device("meta")
    assert threads_on(device) == 1 and len(shared_out(range(7), device)) == 1
    assert set(in_parallel(lambda _: threading.get_ident(), range(4), device)) == {threading.get_ident()}


def test_items_are_shared_out_evenly() -> None:
    torch.set_num_threads(3)
    cpu = torch.device("cpu")
    assert [list(run) for run in shared_out(range(7), cpu)] == [[0, 1], [2, 3], [4, 5, 6]]
    assert [list(run) for run in shared_out(range(2), cpu)] == [[0], [1]]
