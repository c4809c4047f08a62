"""Processes for many items, and what Ctrl-C makes of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from pipeline.side_by_side import SideBySide


def test_processes_do_not_hear_an_interrupt_and_are_gone_when_the_block_is_left() -> None:
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), SideBySide(1) as pool:
        asleep, waiting = pool.submit(time.sleep, 300), pool.submit(time.sleep, 300)
        while not asleep.running():
            time.sleep(0.01)
        (process,) = multiprocessing.active_children()
        os.kill(process.pid or 0, signal.SIGINT)
        time.sleep(0.3)
        assert process.is_alive() and not asleep.done()
        raise KeyboardInterrupt
    assert not process.is_alive() and waiting.done() and time.monotonic() - begun < 60


def test_a_block_that_comes_to_its_end_has_done_everything() -> None:
    with SideBySide(1) as pool:
        done = [pool.submit(abs, -number) for number in range(3)]
    assert [each.result() for each in done] == [0, 1, 2]
