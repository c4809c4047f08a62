"""``reelift retry``: try again what failed in a workspace."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.console import complain, tell
from jobs.options import ExecutorName, ExecutorOption, JsonOption, RunArgument, TakeoverOption
from jobs.outcome import conclude
from jobs.running import run_again, running
from stages.wording import counted

if TYPE_CHECKING:
    from pipeline.rows import SourceRow

EXAMPLES = """
reelift retry run1/
reelift retry run1/ --stage decode
reelift retry run1/ --video tape7.mov
"""


class StageName(Enum):
    """The stages."""

    split = "split"
    flow = "flow"
    sample = "sample"
    decode = "decode"
    assemble = "assemble"


def retry(
    workspace: RunArgument,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed; this is the default.")] = False,
    video: Annotated[
        str, typer.Option("--video", help="Only this video, if it failed: its path, the end of it, or its identity.")
    ] = "",
    stage: Annotated[StageName | None, typer.Option("--stage", help="Only what failed at this stage.")] = None,
    executor: ExecutorOption = ExecutorName.ray,
    takeover: TakeoverOption = False,
    as_json: JsonOption = False,
) -> int:
    """Try again what failed, with the settings of the workspace and a full set of attempts.

    Nothing else is looked at: what is done stays, videos that were never begun are left to ``restore``.

    Exit code: 0 all of it is restored now, or there was nothing to retry; 2 some failed again, 1 the call is wrong.
    """
    from pipeline.again import failed as failed_sources
    from pipeline.again import told
    from pipeline.report import RunReport
    from pipeline.storage import Storage

    with running("--takeover") as progress:
        before = told(workspace)
        chosen = failed_sources(Storage(workspace), video, stage.value if stage else "")
        items = sum(map(len, chosen.values()))
        tell(
            f"to retry: {counted(items, 'failed item')} of {counted(len(chosen), 'video')}",
            items=items,
            videos=len(chosen),
        )
        if not chosen:
            if as_json:
                print(json.dumps(RunReport.of_nothing(workspace, before.output).to_json(), indent=2))
            return 0
        found: set[str] = set()

        def is_chosen(source: SourceRow) -> bool:
            found.add(source.shown)
            return source.shown in chosen

        report = run_again(before, workspace, executor, takeover, progress, only=is_chosen)
    code = conclude(report, as_json)
    # Not those that the report lacks: a run that was stopped has settled none of the rest.
    gone = sorted(chosen.keys() - found)
    for source in gone:
        complain(f"{source}: failed before, and is not among the inputs any more; put it back")
    return code or (2 if gone else 0)


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(retry, "retry", EXAMPLES)
