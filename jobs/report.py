"""``reelift report``: pages that show what was done, for a browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.progress import Progress

from jobs.console import complain, drawn, people, tell, warn
from jobs.interrupt import going_on
from stages.wording import counted

EXAMPLES = """
reelift report run1/
reelift report s3://bucket/run1/ --output pages/ --only 'tape7*'
"""


@going_on()
def report(
    workspace: Annotated[str, typer.Argument(help="Workspace of the run: folder or URL.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Folder or URL of the pages; default: report/ in the workspace."),
    ] = None,
    frames: Annotated[int, typer.Option(min=0, max=200, help="Pairs of frames shown of each video.")] = 8,
    measure: Annotated[int, typer.Option(min=0, help="Frames measured of each video; 0 measures none.")] = 240,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the pictures (WebP); 100 loses nothing.")] = 100,
    only: Annotated[
        str | None, typer.Option("--only", help="Make the pages of these videos alone: a name or path with * and ?.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Pages made at once; default: one per core, at most 8.")
    ] = None,
) -> int:
    """Write an HTML page of the run and one of every video: table, before and after, figures, provenance.

    Each page is one file that needs no network and opens from a disk or a bucket. Made again, only what has changed is
    made anew. Works while the run is going on.

    Exit code: 0 the pages are written, 1 the call itself is wrong.
    """
    from pipeline.sources import InputError
    from pipeline.storage import StorageError
    from report.build import build_report
    from report.settings import ReportSettings

    settings = ReportSettings(frames=frames, measure=measure, quality=quality)
    try:
        with Progress(console=people(), disable=not drawn()) as bar:
            task = bar.add_task("pages", total=None)
            built = build_report(
                workspace,
                output,
                settings,
                only,
                processes or min(8, os.cpu_count() or 1),
                lambda done, total, video: bar.update(task, completed=done, total=total),
            )
    except (StorageError, InputError, OSError) as error:
        return complain(error)
    for video, problem in built.problems:
        warn(f"{video}: {problem}", video=video)
    tell(
        f"{counted(built.videos, 'video')}, {counted(built.made, 'page')} made now",
        videos=built.videos,
        made=built.made,
    )
    print(built.index)
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(report, "report", EXAMPLES)
