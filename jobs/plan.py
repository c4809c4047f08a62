"""``reelift plan``: what is in a library, what is wrong with it, and what restoring it would take."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from jobs.board import duration
from jobs.console import complain, detail, drawn, people, show, tell, warn, warn_of_nothing_in
from jobs.naming import here, unnamed
from jobs.options import (
    ConfigOption,
    ExecutorName,
    ExecutorOption,
    InputsArgument,
    PresetOption,
    ScaleOption,
    SetOption,
    overrides,
)
from jobs.trial import keep_sample_apart, restore_excerpts
from stages.wording import counted

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.planning.calibration import Calibration
    from pipeline.planning.estimate import Estimate
    from pipeline.planning.probe import Probe

CALIBRATION = Path("calibration.json")
SILENT = "no audio"

EXAMPLES = """
reelift plan tapes/
reelift plan tapes/ --calibration calibration.json --gpus 1 --gpus 8
reelift plan tapes/ --sample 5 --sample-folder look/
reelift plan s3://bucket/tapes/ --quick --json
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``plan`` found out; ``estimate`` is None where nothing was measured, and ``why`` says so.

    ``passed_over``: suffix -> files below the inputs that are not taken for videos.
    """

    found: Sequence[Probe]
    estimate: Estimate | None
    why: str
    device: str
    passed_over: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        good = [each for each in self.found if not each.error]
        return {
            "videos": [asdict(each) for each in self.found],
            "totals": {
                "videos": len(self.found),
                "readable": len(good),
                "frames": sum(each.frames for each in good),
                "chunks": sum(len(each.chunks) for each in good),
                "seconds": round(sum(each.seconds for each in good), 3),
                "bytes": sum(each.size for each in good),
                "exact": all(each.exact for each in good),
            },
            "trouble": dict(Counter(kind for each in self.found for kind in each.trouble)),
            "passed_over": self.passed_over,
            "device": self.device,
            "estimate": asdict(self.estimate) if self.estimate else None,
            "estimate_missing": self.why,
        }


def plan(
    inputs: InputsArgument,
    config: ConfigOption = None,
    set_: SetOption = None,
    preset: PresetOption = None,
    scale: ScaleOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help=f"File that 'reelift calibrate' made; default: {CALIBRATION}, if it is there."),
    ] = None,
    gpus: Annotated[
        list[int] | None, typer.Option("--gpus", min=1, help="Time for so many GPUs. May be repeated.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Headers alone: no damage, no copies, no cuts are found.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Videos looked at side by side; default: cores.")] = None,
    sample: Annotated[
        float | None, typer.Option(min=0.04, help="First restore so many seconds from the middle of some videos.")
    ] = None,
    sample_videos: Annotated[int, typer.Option(min=1, help="Of how many videos; sizes differ if possible.")] = 3,
    sample_folder: Annotated[Path, typer.Option(help="Where excerpts, results and pictures go.")] = Path("sample"),
    executor: ExecutorOption = ExecutorName.local,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> int:
    """Look at every video before any GPU is paid for: trouble, frames, chunks, hours, cost, bytes, time.

    Every video is decoded as the run will decode it, side by side on the cores of this machine, so that frames and
    chunks are those of the run. Hours and bytes come from a calibration (or from --sample), prices from
    pools.STAGE.price in the configuration. Nothing is written but the sample.

    Exit code: 0 all can be restored, 2 some cannot be read or sampled, 1 the call itself is wrong, 130 stopped.
    """
    from pipeline.config import ConfigError, load_config
    from pipeline.passed_over import not_followed, passed_over
    from pipeline.planning.calibration import CalibrationError
    from pipeline.sources import InputError, expand
    from pipeline.storage import StorageError
    from pipeline.wrapper import SetupError

    try:
        chosen = [*overrides(set_, scale)]
        settings = load_config(config, chosen, preset)
        rows = expand(inputs, nothing_in=warn_of_nothing_in)
        if sample is not None:
            keep_sample_apart(inputs, sample_folder)
        found = _survey(rows, settings, workers or os.cpu_count() or 1, quick)
        measured, well = None, True
        if sample is not None:
            measured, well = restore_excerpts(rows, found, sample, sample_videos, sample_folder, settings, executor)
        estimated = _estimated(found, settings, calibration, measured, gpus or [1, 2, 4, 8])
        made = Plan(found, *estimated, passed_over(inputs, rows))
    except (ConfigError, InputError, StorageError, SetupError, CalibrationError) as error:
        return complain(error)
    for link, why in not_followed(inputs):
        warn(f"{link}: {why}", link=link)
    if as_json:
        print(json.dumps(made.to_json(), indent=2))
    else:
        show_plan(made)
    return 0 if well and not any(each.error for each in found) else 2


def _survey(rows: Sequence[Any], settings: RunConfig, workers: int, quick: bool) -> list[Probe]:
    from pipeline.planning.survey import survey

    columns = (TextColumn("looking at videos"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=people(), transient=True, disable=not drawn()) as progress:
        task = progress.add_task("", total=len(rows))

        def seen(found: Probe) -> None:
            progress.advance(task)
            detail(f"looked at {found.source}", source=found.source, frames=found.frames, error=found.error)

        return survey(rows, settings.split, workers, quick, seen)


def _estimated(
    found: Sequence[Probe],
    settings: RunConfig,
    file: Path | None,
    measured: Calibration | None,
    gpus: Sequence[int],
) -> tuple[Estimate | None, str, str]:
    """Return the estimate, or None and why there is none, and the device that it is for."""
    from pipeline.planning.calibration import load
    from pipeline.planning.estimate import estimate
    from pipeline.run import make_recipe
    from pipeline.stage_factories import stage_factories

    if measured is None:
        if file is None and not CALIBRATION.exists():
            return None, "nothing was measured yet: run 'reelift calibrate', or add --sample 5", ""
        measured = load(file or CALIBRATION)
    unfit = measured.unfit(make_recipe(stage_factories(settings)))
    if unfit:
        why = (
            f"{file or CALIBRATION} was measured with other settings of {', '.join(unfit)}; calibrate again with these"
        )
        return None, why, measured.device
    return estimate(found, settings, measured, gpus), "", measured.device


def show_plan(made: Plan) -> None:
    """Print a plan for people."""
    facts = made.to_json()
    totals = facts["totals"]
    trouble = Table(title="trouble", title_justify="left")
    for name in ("video", "what", "more"):
        trouble.add_column(name, overflow="fold")
    for each in sorted(made.found, key=lambda each: not each.error):
        for kind, text in each.trouble.items():
            if kind != SILENT:  # most films of some libraries are; the number says it
                trouble.add_row(Text(here(each.source)), kind, Text(here(unnamed(text, each.source))))
    if trouble.row_count:
        show(trouble, "trouble", trouble=facts["trouble"])
    exact = "" if totals["exact"] else " at least (headers alone)"
    silent = f"; {facts['trouble'][SILENT]} without sound" if SILENT in facts["trouble"] else ""
    tell(
        f"{totals['readable']} of {counted(totals['videos'], 'video')} can be restored: "
        f"{counted(totals['frames'], 'frame')} ({duration(totals['seconds'])}) in "
        f"{counted(totals['chunks'], 'chunk')}{exact}{silent}",
        **totals,
    )
    if made.passed_over:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in made.passed_over.items())
        tell(f"left alone, because their suffix is no video's: {kinds}; name such a file to have it taken all the same")
    if made.estimate is None:
        warn(f"no hours and bytes: {made.why}")
        return
    _show_estimate(made.estimate, made.device)


def _show_estimate(estimate: Estimate, device: str) -> None:
    table = Table(title=f"measured on {device}", title_justify="left")
    for name in ("pool", "worker-hours", "GPU-hours", "cost", "bytes"):
        table.add_column(name, justify="left" if name == "pool" else "right")
    for stage, pool in estimate.pools.items():
        gpu = told_hours(pool.gpu_hours) if pool.gpu_hours else ""
        cost = "" if pool.cost is None else f"{pool.cost:,.2f}"
        table.add_row(stage, told_hours(pool.worker_hours), gpu, cost, size(pool.bytes))
    show(table, "estimate", estimate=asdict(estimate))
    cost = "no cost, because no price is set (pools.STAGE.price)"
    if estimate.cost is not None:
        cost = f"cost {estimate.cost:,.2f}"
    tell(f"output {size(estimate.output_bytes)}, artifacts {size(estimate.scratch_bytes)}, {cost}")
    for wall in estimate.wall:
        pools = "  ".join(f"{stage} {count}" for stage, count in wall.pools.items())
        devices = counted(wall.devices, "GPU" if wall.pools else "such machine")
        tell(f"  {devices}: {duration(wall.hours * 3600)}, limited by {wall.limit}  {pools}".rstrip())


def told_hours(hours: float) -> str:
    """Return hours as people read them: three digits, and never a power of ten."""
    if 0 < hours < 0.001:
        return "<0.001"
    return f"{hours:.3g}" if hours < 99.95 else f"{hours:,.0f}"


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} PB" if value < 999.5 else f"{value:,.0f} PB"


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(plan, "plan", EXAMPLES)
