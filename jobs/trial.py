"""A few seconds of some videos, restored before the rest to choose settings by eye, and measured on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.comparison import side_by_side
from jobs.console import tell, warn
from jobs.excerpt import excerpt
from jobs.options import ExecutorName
from jobs.outcome import conclude
from jobs.running import running

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.planning.calibration import Calibration
    from pipeline.planning.probe import Probe


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


def restore_excerpts(
    rows: Sequence[Any],
    found: Sequence[Probe],
    seconds: float,
    count: int,
    folder: Path,
    settings: RunConfig,
    executor: ExecutorName,
) -> Calibration | None:
    """Restore excerpts into ``folder`` and return what was measured; None if that failed, which has been said then.

    ``folder`` holds ``clips``, ``restored``, ``workspace``, and for each video a picture of a frame before and after.

    Raises:
        CalibrationError: if no excerpt could be made, or not all stages were measured.
    """
    from pipeline.api import make_executor
    from pipeline.faults import line
    from pipeline.planning.calibration import CalibrationError, read_off
    from pipeline.run import run
    from pipeline.source_files import localise
    from stages.contract import ItemError

    by_source = {row.shown: row for row in rows}
    clips = []
    for number, each in enumerate(choose(found, count)):
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
    if not clips:
        raise CalibrationError("no excerpt could be made of any video, so there is nothing to take a sample of")

    with running() as progress:
        report = run(
            settings,
            [clip for clip, _ in clips],
            folder / "restored",
            folder / "workspace",
            make_executor(executor, settings),
            progress,
            allow_changed=True,
            stop=progress.stop,
        )
    if conclude(report):
        return None
    for clip, frames in clips:
        picture = folder / f"{clip.stem}.png"
        side_by_side(clip, folder / "restored" / clip.name, picture, frames // 2)
        tell(f"look at {picture} and {folder / 'restored' / clip.name}", picture=str(picture))
    return read_off(folder / "workspace")
