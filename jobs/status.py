"""``reelift status``: where a run stands, from its manifest alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs import board
from jobs.console import complain
from jobs.naming import here, unnamed
from stages.wording import counted

EXAMPLES = """
reelift status run1/
reelift status s3://bucket/run1/ --watch
reelift status run1/ --json
"""


def status(
    workspace: Annotated[str, typer.Argument(help="Workspace of the run: folder or URL.")],
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again until the run ends.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks of --watch.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one line per look.")] = False,
) -> int:
    """Show what is done, what failed and what is left, per stage, every failed item, every damaged source, and what of
    a source is not in its result.

    It reads the manifest, so it works from any machine while the run goes on, and after it. What a run has just done is
    written within seconds at first, within a minute in a long run.
    """
    from pipeline.status import status as read_status
    from pipeline.storage import Storage, StorageError

    try:
        storage = Storage(workspace)
        if not storage.exists("manifest"):
            raise StorageError(f"{storage.url}: no workspace is there; give the folder that restore was given")
        state = read_status(storage)
        if not watch:
            _print(state, as_json)
            return 0
        with _looks(as_json) as look:
            while True:
                look(state)
                if not state["running"]:
                    return 0
                time.sleep(every)
                state = read_status(storage)
    except (StorageError, OSError) as error:
        return complain(error)


@contextmanager
def _looks(as_json: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Lend what shows a state again and again: one picture that changes on a terminal, else a line each time."""
    from pipeline.status import standings

    console = Console()
    if as_json:
        yield lambda state: print(json.dumps(state), flush=True)
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda state: live.update(picture(state), refresh=True)
    else:
        yield lambda state: print(board.line(standings(state)), flush=True)


def picture(state: dict[str, Any]) -> RenderableType:
    """Return the state as people read it."""
    from pipeline.status import standings

    stages, videos = standings(state), state["videos"]
    damaged = f"{len(state['damage'])} of them damaged at the source, " if state["damage"] else ""
    told = f"{counted(videos['total'], 'video')}: {videos['done']} restored, {damaged}"
    told += f"{videos['failed']} failed, {videos['left']} left"
    if state["running"]:
        ending = board.duration(state["seconds_left"])
        told += f"; running, last news {board.duration(max(0.0, time.time() - state['updated']))} ago"
        told += f", about {ending} left" if ending else ""
    elif videos["left"]:
        told += "; not running: the line that started it goes on"
    parts: list[RenderableType] = [Text(told), board.board(stages), _seconds(state["stages"])]
    if again := _again(state["stages"]):
        parts.append(again)
    if state["failures"]:
        parts.append(_failures(state["failures"]))
    if state["damage"]:
        parts.append(_remarks("restored as far as they can be read", "what is missing", state["damage"]))
    if state["left_out"]:
        parts.append(_remarks("not all of it is in the result", "what is left out", state["left_out"]))
    if state["decoded_sound"]:
        parts.append(_remarks("sound that Matroska cannot hold", "how it is kept", state["decoded_sound"]))
    return Group(*parts)


def _print(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(state, indent=2))
    else:
        Console().print(picture(state), markup=False, highlight=False)


def _seconds(stages: dict[str, dict[str, Any]]) -> Text:
    spent = "  ".join(f"{stage} {board.duration(counts['seconds'])}" for stage, counts in stages.items())
    return Text(f"worked: {spent}", style="dim")


def _again(stages: dict[str, dict[str, Any]]) -> Text | None:
    """What did not work at the first try, whatever came of it."""
    plain = ("done", "reused", "failed", "gave_up")
    told = []
    for stage, counts in stages.items():
        found = [f"{count} {outcome}" for outcome, count in sorted(counts["events"].items()) if outcome not in plain]
        if found:
            told.append(f"{stage} {', '.join(found)}")
    return Text(f"not at the first try: {'; '.join(told)}", style="dim") if told else None


def _failures(failures: list[dict[str, object]]) -> RenderableType:
    table = Table(title="failed", title_justify="left")
    for name in ("video", "chunk", "stage", "attempts", "reason"):
        table.add_column(name, overflow="fold")
    lines = [Text("failed", style="italic")]
    for failure in failures:
        video = here(str(failure["source"] or failure["video"]))
        chunk = "" if failure["chunk"] == -1 else str(failure["chunk"])
        reason = here(unnamed(str(failure["message"]), str(failure["source"])))
        attempts = counted(int(str(failure["attempts"])), "attempt")
        table.add_row(*map(Text, (video, chunk, str(failure["stage"]), str(failure["attempts"]), reason)))
        lines.append(Text(f"{video}{chunk and f' chunk {chunk}'}, {failure['stage']}, {attempts}: {reason}"))
    return board.Fitting(table, Group(*lines))


def _remarks(title: str, heading: str, remarks: dict[str, str]) -> RenderableType:
    table = Table(title=title, title_justify="left")
    for name in ("video", heading):
        table.add_column(name, overflow="fold")
    lines = [Text(title, style="italic")]
    for source, what in remarks.items():
        table.add_row(Text(here(source)), Text(here(what)))
        lines.append(Text(f"{here(source)}: {here(what)}"))
    return board.Fitting(table, Group(*lines))


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(status, "status", EXAMPLES)
