from __future__ import annotations

import threading

import pytest

from stages.decode.writing import AHEAD, write_beside


def test_frames_are_written_in_order_by_another_thread() -> None:
    written, threads = [], set()

    def write(frame: int) -> None:
        written.append(frame)
        threads.add(threading.get_ident())

    write_beside(iter(range(100)), write)
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

    write_beside(frames(), write)
    assert len(taken) == 20


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
        write_beside(frames(), write)
    assert len(taken) <= 2 + AHEAD + 1
    # Also of the very last frame.
    with pytest.raises(OSError, match="disk full"):
        write_beside([0, 1, 2], write)


def test_what_goes_wrong_in_computing_is_raised_after_what_was_computed_is_written() -> None:
    written = []

    def frames() -> object:
        yield from range(3)
        raise ValueError("no frame 3")

    with pytest.raises(ValueError, match="no frame 3"):
        write_beside(frames(), written.append)
    assert written == [0, 1, 2]
