"""All sources, looked at side by side, each in a process that a hostile file may take down without harm to the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from pipeline.faults import line
from pipeline.planning.probe import Probe, probe
from pipeline.rows import SourceRow
from pipeline.side_by_side import SideBySide
from stages.split.config import SplitConfig

CRASH = "the decoder crashes on it; leave it out, or convert it to another format"
Look = Callable[[SourceRow, SplitConfig, bool], Probe]


def survey(
    rows: Sequence[SourceRow],
    config: SplitConfig,
    workers: int,
    quick: bool = False,
    seen: Callable[[Probe], None] = lambda found: None,
    look: Look = probe,
) -> list[Probe]:
    """Return what was found in each source, in the order of ``rows``; copies of one content know of each other.

    Args:
        rows: the sources.
        config: how they will be split.
        workers: processes side by side.
        quick: see ``probe``.
        seen: called with each as it is done, in any order.
        look: what looks at one source; picklable.
    """
    found: dict[str, Probe] = {}

    def note(row: SourceRow, result: Probe) -> None:
        found[row.shown] = result
        seen(result)

    left = list(rows)
    while left:
        for row, result in _side_by_side(left, config, workers, quick, look):
            if result is not None:
                note(row, result)
        left = [row for row in left if row.shown not in found]
        # One that was in hand took its process down, and all that waited with it. A pool of the standard library gives
        # out so many at once, in order: one to each process, as many again and one more to the queue before them.
        in_hand = 2 * workers + 1
        suspects, left = left[:in_hand], left[in_hand:]
        for row in suspects:
            ((_, alone),) = list(_side_by_side([row], config, 1, quick, look))
            note(row, alone or _unreadable(row, CRASH))
    return _with_copies([found[row.shown] for row in rows])


def _side_by_side(
    rows: Sequence[SourceRow], config: SplitConfig, workers: int, quick: bool, look: Look
) -> Iterator[tuple[SourceRow, Probe | None]]:
    """Yield each source with what was found, None if the processes were lost."""
    with SideBySide(min(workers, len(rows)) or 1) as pool:
        waiting = {}
        try:
            for row in rows:
                waiting[pool.submit(look, row, config, quick)] = row
        except BrokenProcessPool:
            pass
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except BrokenProcessPool:
                yield waiting[future], None
            except Exception as error:  # of the network, of a library: in the run it would be a failed row
                yield waiting[future], _unreadable(waiting[future], line(error))


def _unreadable(row: SourceRow, why: str) -> Probe:
    message = f"{row.shown}: {why}"
    return Probe(row.shown, row.output, row.size, error=message, trouble={"unreadable": message})


def _with_copies(found: Sequence[Probe]) -> list[Probe]:
    by_content: dict[str, list[str]] = defaultdict(list)
    for each in found:
        if each.sha256:
            by_content[each.sha256].append(each.source)
    result = []
    for each in found:
        copies = [name for name in by_content.get(each.sha256, ()) if name != each.source]
        told = f"the same content as {', '.join(copies[:3])}; it is restored once"
        result.append(replace(each, trouble={**each.trouble, "duplicate": told}) if copies else each)
    return result
