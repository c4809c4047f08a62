"""Independent pieces of work, side by side on a CPU's cores.

Torch shares out the arithmetic of one operation among its threads, which gains little where operations are small. Where
the work falls into pieces that do not need each other, a thread for each piece gains more. A piece is computed by one
thread whoever takes it, so the number of threads does not decide the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Barrier, Event, local
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")
HEARING = 1.0
"""Seconds of one wait: a signal that comes just before it is not heard until its end."""
_this_thread = local()


class Abandoned(BaseException):
    """Ends a piece of work whose result nobody waits for any more."""


def in_parallel(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device | None = None
) -> list[Result]:
    """Do the work on every piece, with as many threads as torch has for the caller.

    On any device but a CPU the pieces are done one after the other. Gradients are not recorded, whatever the caller's
    mode is. Within a piece torch has one thread, so that pieces which fall into pieces themselves do those one by one.

    Args:
        work: safe to call from several threads, on different pieces.
        pieces: none needs the result of another.
        device: where the work is done; None is the CPU.

    Returns:
        The results, in the order of the pieces.

    Raises:
        Exception: what the work on the first piece that failed raised; the others have ended then, too.
    """
    inference = torch.is_inference_mode_enabled()

    def apart(piece: Piece) -> Result:
        check_wanted()
        with torch.inference_mode(inference), torch.no_grad():
            return work(piece)

    threads = threads_on(device)
    if threads == 1 or len(pieces) == 1:
        return [apart(piece) for piece in pieces]
    given_up = Event()

    def helping(piece: Piece) -> Result:
        _this_thread.given_up = given_up
        return apart(piece)

    helpers, pending = _helpers(threads), []
    try:
        for piece in pieces:
            pending.append(helpers.submit(helping, piece))
        found = []
        for each in pending:
            while not each.done():
                wait([each], HEARING)
            found.append(each.result())
        return found
    except BaseException:  # Ctrl-C, too: the process cannot end before its threads
        given_up.set()
        wait(pending)
        raise


def check_wanted() -> None:
    """Pass while the result of the piece that this thread is at is still waited for; long pieces ask now and then.

    Raises:
        Abandoned: another piece has failed, or the run was interrupted.
    """
    given_up = getattr(_this_thread, "given_up", None)
    if given_up is not None and given_up.is_set():
        raise Abandoned


def shared_out(items: Sequence[Piece], device: torch.device) -> list[Sequence[Piece]]:
    """Cut the items into as many runs, about equally long, as ``in_parallel`` can work on at once on a device."""
    runs = min(len(items), threads_on(device))
    return [items[len(items) * run // runs : len(items) * (run + 1) // runs] for run in range(runs)]


def threads_on(device: torch.device | None = None) -> int:
    """How many pieces ``in_parallel`` works on at once for this caller; None is the CPU."""
    alone = getattr(_this_thread, "helps", False) or (device is not None and device.type != "cpu")
    return 1 if alone else torch.get_num_threads()


@cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    started = Barrier(threads + 1)

    def begin() -> None:
        torch.get_num_threads()  # the first call of a thread sets what is asked for
        torch.set_num_threads(1)
        _this_thread.helps = True
        started.wait()

    helpers = ThreadPoolExecutor(threads, "torch-piece", initializer=begin)
    for _ in range(threads):
        helpers.submit(int)
    started.wait()
    torch.set_num_threads(threads)  # torch gives the latest number to threads that come into being, too
    return helpers
