from __future__ import annotations

import threading

import pytest

from stages.decode.beside import AHEAD, worked_beside


def test_frames_are_written_in_order_by_another_thread() -> None:
    written, threads = [], set()

    def write(frame: int) -> None:
        written.append(frame)
        threads.add(threading.get_ident())

    assert not any(worked_beside(iter(range(100)), write, "test"))
    assert written == list(range(100))
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_frames_are_computed_while_one_is_written_but_not_without_bound() -> None:
    taken, begun, go_on = [], threading.Event(), threading.Event()

    def frames() -> object:
        for frame in range(20):
            taken.append(frame)
            if frame == AHEAD:
                # The first frame is still being written: the others did not wait for it.
                assert begun.wait(10) and not go_on.is_set()
                threading.Timer(0.05, go_on.set).start()
            yield frame

    def write(frame: int) -> None:
        begun.set()
        assert go_on.wait(10)
        if frame == 0:
            assert len(taken) <= AHEAD + 2

    assert len(list(worked_beside(frames(), write, "test"))) == 20


def test_what_goes_wrong_in_writing_is_raised_and_ends_the_work() -> None:
    taken = []

    def frames() -> object:
        for frame in range(100):
            taken.append(frame)
            yield frame

    def write(frame: int) -> None:
        if frame == 2:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(worked_beside(frames(), write, "test"))
    assert len(taken) <= 2 + AHEAD + 1
    # Also of the very last frame.
    with pytest.raises(OSError, match="disk full"):
        list(worked_beside([0, 1, 2], write, "test"))


def test_what_goes_wrong_in_computing_is_raised_after_what_was_computed_is_written() -> None:
    written = []

    def frames() -> object:
        yield from range(3)
        raise ValueError("no frame 3")

    with pytest.raises(ValueError, match="no frame 3"):
        list(worked_beside(frames(), written.append, "test"))
    assert written == [0, 1, 2]


def test_several_threads_work_side_by_side_and_results_stay_in_order() -> None:
    both = threading.Barrier(2)

    def work(item: int) -> tuple[int, int]:
        both.wait(10)  # passes only if another item is being worked on
        return item, threading.get_ident()

    found = list(worked_beside(range(40), work, "test", threads=2))
    assert [item for item, _ in found] == list(range(40))
    assert len({thread for _, thread in found}) == 2
