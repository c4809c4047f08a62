"""``reelift status``: where a run stands, from its manifest alone."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def status(
    workspace: Annotated[str, typer.Argument(help="Workspace of the run: folder or URL.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show what is done, what failed and what is left, per stage, and every failed item."""
    from pipeline.status import status as read_status
    from pipeline.storage import Storage, StorageError

    try:
        storage = Storage(workspace)
        if not storage.exists("manifest"):
            raise StorageError(f"{storage.url}: no workspace is there; give the folder that restore was given")
        state = read_status(storage)
    except StorageError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    if as_json:
        print(json.dumps(state, indent=2))
        return 0
    console = Console()
    videos = state["videos"]
    console.print(
        f"{videos['total']} videos: {videos['done']} restored, {videos['failed']} failed, {videos['left']} left",
        highlight=False,
    )
    console.print(_stages(state["stages"]))
    if state["failures"]:
        console.print(_failures(state["failures"]), markup=False)
    return 0


def _stages(stages: dict[str, dict[str, object]]) -> Table:
    table = Table()
    table.add_column("stage")
    for name in ("done", "failed", "left", "seconds"):
        table.add_column(name, justify="right")
    for stage, counts in stages.items():
        table.add_row(stage, *(str(counts[name]) for name in ("done", "failed", "left", "seconds")))
    return table


def _failures(failures: list[dict[str, object]]) -> Table:
    table = Table(title="failed", title_justify="left")
    for name in ("video", "chunk", "stage", "attempts", "reason"):
        table.add_column(name, overflow="fold")
    for failure in failures:
        chunk = failure["chunk"]
        table.add_row(
            str(failure["source"] or failure["video"]),
            "" if chunk == -1 else str(chunk),
            str(failure["stage"]),
            str(failure["attempts"]),
            str(failure["message"]),
        )
    return table


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(status, "status")
