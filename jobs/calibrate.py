"""``reelift calibrate``: measure what each stage takes per frame, by a real run, for ``reelift plan``."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from jobs.console import complain, show, tell, warn
from jobs.demo import SAMPLE
from jobs.excerpt import excerpt
from jobs.options import (
    ConfigOption,
    ExecutorName,
    ExecutorOption,
    PresetOption,
    ScaleOption,
    SetOption,
    overrides,
)
from jobs.outcome import conclude
from jobs.restore import start

if TYPE_CHECKING:
    from pipeline.planning.calibration import Calibration

CROP = 0.6
"""Share of a side that the second excerpt keeps: two sizes tell apart what depends on the size and what does not."""
SECONDS = 2.0
FIRST = 0.08
"""Seconds of an excerpt that only makes the workers load what they need."""

EXAMPLES = """
reelift calibrate
reelift calibrate tape.mov --seconds 4 --preset embedded --output laptop.json
reelift calibrate --from run1/
"""


def calibrate(
    video: Annotated[Path | None, typer.Argument(help="Video to measure with; default: the sample clip.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Calibration file to write.")] = Path(
        "calibration.json"
    ),
    seconds: Annotated[float, typer.Option(min=0.04, help="How much of the video, from its middle.")] = SECONDS,
    workspace: Annotated[
        str | None, typer.Option("--from", help="Measure nothing: read the figures off this finished run.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    preset: PresetOption = None,
    scale: ScaleOption = None,
    executor: ExecutorOption = ExecutorName.local,
) -> int:
    """Measure seconds and bytes per frame of every stage, with your settings on this machine or cluster.

    An excerpt of the video is restored twice, once smaller, in a workspace of its own that is removed again. The file
    is good for these settings and this kind of device; 'reelift plan' refuses it for others.

    With --from nothing is restored, and the settings are those of that run.

    Exit code: 0 measured, 1 the call or the surroundings are wrong, 2 the excerpt could not be restored.
    """
    from pipeline.config import ConfigError
    from pipeline.planning.calibration import CalibrationError
    from pipeline.planning.reading_off import read_off
    from pipeline.storage import StorageError
    from pipeline.wrapper import SetupError
    from stages.contract import ItemError

    if workspace is not None:
        settings = {"--config": config, "--set": set_, "--preset": preset, "--scale": scale}
        usual = {"--seconds": seconds != SECONDS or None, "--executor": executor is not ExecutorName.local or None}
        given = [name for name, value in {"VIDEO": video, **settings, **usual}.items() if value not in (None, [])]
        if given:
            return complain(
                f"--from reads the figures off a finished run, with its settings: leave out {', '.join(given)}, or "
                "leave out --from to measure now"
            )
    if not output.parent.is_dir() or output.is_dir():  # before minutes are spent on measuring
        there = f"there is no folder {output.parent}; make it, or name another file"
        return complain(f"{output}: {'a folder; name a file with --output' if output.is_dir() else there}")
    try:
        if workspace is not None:
            return _write(read_off(workspace), output)
        with tempfile.TemporaryDirectory(prefix="reelift-calibrate-") as folder:
            place = Path(folder)
            # In this order; what a worker makes first pays for loading, and is left out of the figures.
            clips = {"0-first": (min(seconds, FIRST), CROP), "1-part": (seconds, CROP), "2-whole": (seconds, 1.0)}
            for name, (length, crop) in clips.items():
                excerpt(video or SAMPLE, place / f"{name}.mkv", length, crop)
            report = start(
                [str(place / f"{name}.mkv") for name in clips],
                str(place / "restored"),
                str(place / "workspace"),
                config,
                [*overrides(set_, scale), "limits.keep_artifacts=true"],
                executor,
                preset,
            )
            if not report.ok:
                return conclude(report)
            return _write(read_off(place / "workspace"), output)
    except (CalibrationError, ConfigError, StorageError, SetupError, ItemError, OSError) as error:
        return complain(error)


def _write(calibration: Calibration, output: Path) -> int:
    try:
        output.write_text(calibration.model_dump_json(indent=1) + "\n")
    except OSError as error:
        return complain(f"{output}: cannot be written ({error.strerror})")
    table = Table(title=calibration.device, title_justify="left")
    for name in ("stage", "pixels of a frame", "frames", "seconds per frame", "bytes per frame"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for each in calibration.measurements:
        per_frame = f"{each.seconds / each.frames:.4g}", f"{each.bytes / each.frames:.0f}"
        table.add_row(each.stage, str(each.pixels), str(each.frames), *per_frame)
    show(table, "calibrated", calibration=calibration.model_dump(mode="json"))
    others = [node for node in calibration.nodes if node != platform.node()]
    if others:
        warn(
            f"the networks ran on {', '.join(others)}, and the device named is that of {platform.node()}; if they are "
            "of different kinds, the hours are of no use: calibrate there",
            nodes=others,
        )
    tell(f"written to {output}; 'reelift plan' reads it from there", output=str(output))
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(calibrate, "calibrate", EXAMPLES)
