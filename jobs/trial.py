"""A few seconds of some videos, restored before the rest to choose settings by eye, and measured on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobs.comparison import side_by_side
from jobs.console import tell, warn
from jobs.excerpt import excerpt
from jobs.interrupt import STOPPED
from jobs.options import ExecutorName
from jobs.outcome import conclude
from jobs.running import running

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.planning.calibration import Calibration
    from pipeline.planning.probe import Probe
    from pipeline.report import RunReport


def choose(found: Sequence[Probe], count: int) -> list[Probe]:
    """Return up to ``count`` readable videos: of every size of frame the longest, then the longest of the rest."""
    good = sorted((each for each in found if not each.error), key=lambda each: -each.frames)
    sizes: set[tuple[int, int]] = set()
    first: list[Probe] = []
    rest: list[Probe] = []
    for each in good:
        (rest if (each.width, each.height) in sizes else first).append(each)
        sizes.add((each.width, each.height))
    return [*first, *rest][:count]


def keep_sample_apart(inputs: Sequence[str], folder: Path) -> None:
    """See that ``restore`` of the same inputs will not take the sample for videos of theirs.

    Raises:
        InputError: if it would.
    """
    from pipeline.keeping_apart import keep_apart, keep_from_globs

    for given in inputs:
        keep_apart(given, folder, "--sample-folder")
    keep_from_globs(inputs, folder, ("clips/00-tape.mkv", "restored/00-tape.mkv"), "--sample-folder")


def restore_excerpts(
    rows: Sequence[Any],
    found: Sequence[Probe],
    seconds: float,
    count: int,
    folder: Path,
    settings: RunConfig,
    executor: ExecutorName,
) -> tuple[Calibration | None, bool]:
    """Restore excerpts into ``folder``; return what was measured, None if nothing was, and whether all went well.

    ``folder`` holds ``clips``, ``restored``, ``workspace``, and for each video a picture of a frame before and after.
    An excerpt that cannot be made or restored is told of, and stops no other.

    Raises:
        CalibrationError: if not all stages were measured.
        typer.Exit: if it was stopped, or the call or its surroundings are wrong.
    """
    from pipeline.planning.reading_off import read_off
    from pipeline.sidecars import BAG

    wanted = choose(found, count)
    clips = _cut(rows, wanted, seconds, folder)
    report = _restore([clip for clip, _ in clips], folder, settings, executor) if clips else None
    if report and report.left:
        raise typer.Exit(STOPPED)
    states = {Path(source).name: state for source, state in report.videos.items()} if report else {}
    restored = [each for each in clips if states.get(each[0].name, "failed") != "failed"]
    for clip, frames in restored:
        # A bag is not switched off for this: what is measured here counts for just these settings.
        picture = folder / f"{clip.stem}.png"
        video = folder / "restored" / (f"{clip.stem}{BAG}/data" if settings.assemble.bag else "") / clip.name
        side_by_side(clip, video, picture, frames // 2)
        tell(f"look at {picture} and {video}", picture=str(picture))
    if not restored:
        warn("no excerpt could be restored, so nothing was measured")
    return read_off(folder / "workspace") if restored else None, len(restored) == len(wanted)


def _cut(rows: Sequence[Any], wanted: Sequence[Probe], seconds: float, folder: Path) -> list[tuple[Path, int]]:
    """Return the excerpts that could be made, with their frames; the others are told of."""
    from pipeline.faults import line
    from pipeline.source_files import localise
    from stages.contract import ItemError

    by_source = {row.shown: row for row in rows}
    clips = []
    for number, each in enumerate(wanted):
        target = folder / "clips" / f"{number:02d}-{Path(each.output).name}.mkv"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as scratch, localise(by_source[each.source], Path(scratch)) as path:
                frames = excerpt(path, target, seconds)
        except (ItemError, OSError) as error:
            target.unlink(missing_ok=True)
            warn(f"{each.source}: no excerpt could be made: {line(error)}", video=each.source)
            continue
        clips.append((target, frames))
    return clips


def _restore(clips: Sequence[Path], folder: Path, settings: RunConfig, executor: ExecutorName) -> RunReport:
    from pipeline.api import make_executor
    from pipeline.run import run

    # What has been measured is read off the artifacts.
    limits = settings.limits.model_copy(update={"keep_artifacts": True})
    with running() as progress:
        report = run(
            settings.model_copy(update={"limits": limits}),
            clips,
            folder / "restored",
            folder / "workspace",
            make_executor(executor, settings),
            progress,
            allow_changed=True,
            stop=progress.stop,
        )
    conclude(report)
    return report
