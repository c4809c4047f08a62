"""``reelift demo``: the main job on the clip in samples/."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.comparison import side_by_side
from jobs.restore import ExecutorName, show, start

SAMPLE = Path(__file__).parent.parent / "samples" / "city.mkv"
COMPARED_FRAME = 24


def demo(
    folder: Annotated[Path, typer.Option(help="Where results and workspace go.")] = Path("demo"),
    executor: Annotated[ExecutorName, typer.Option(help="Ray, or this process alone.")] = ExecutorName.ray,
) -> int:
    """Restore the sample clip four times as large and show where the results are."""
    console = Console(stderr=True)
    if not SAMPLE.exists():
        console.print(f"error: {SAMPLE}: the sample clip is missing; run this from a clone of the project", style="red")
        return 1
    began = time.monotonic()
    output = folder / "restored"
    report = start([str(SAMPLE)], str(output), str(folder / "workspace"), None, [], executor, None, console)
    if report is None:
        return 1
    show(report, console)
    if not report.ok:
        return 2
    video = output / f"{SAMPLE.stem}.mkv"
    picture = folder / "side_by_side.png"
    side_by_side(SAMPLE, video, picture, COMPARED_FRAME)
    print(f"video:        {video}")
    print(f"fixity:       {video.with_suffix('.framemd5')}")
    print(f"side by side: {picture}")
    print(f"took {time.monotonic() - began:.0f} s; the same command again does nothing twice")
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(demo, "demo")
