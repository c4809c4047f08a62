"""``reelift reprocess``: a workspace again with other settings; what they do not reach is reused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.console import tell
from jobs.restore import ExecutorName, ExecutorOption, JsonOption, SetOption, TakeoverOption, exit_code, show_report
from jobs.running import carried_out

if TYPE_CHECKING:
    from jobs.progress import RunProgress
    from pipeline.outlook import Outlook
    from pipeline.report import RunReport

EXAMPLES = """
reelift reprocess run1/ --set decode.colour_fix=adain --dry-run
reelift reprocess run1/ --set decode.colour_fix=adain
"""


def reprocess(
    workspace: Annotated[str, typer.Argument(help="Workspace of a run: folder or URL.")],
    set_: SetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    executor: ExecutorOption = ExecutorName.ray,
    takeover: TakeoverOption = False,
    as_json: JsonOption = False,
) -> int:
    """Restore a workspace's videos again with other settings; artifacts that they do not reach are reused.

    Says beforehand how many chunk-stages it will run. The new results replace the old ones.

    Exit code: 0 all restored, 2 some failed, 1 the call itself is wrong.
    """
    looked = False

    def work(progress: RunProgress) -> RunReport | None:
        from pipeline.again import told
        from pipeline.api import make_executor
        from pipeline.outlook import outlook
        from pipeline.run import make_recipe, remember, run
        from pipeline.sources import expand
        from pipeline.stage_factories import stage_factories
        from pipeline.storage import Storage

        nonlocal looked
        new = told(workspace, set_ or [])
        storage, recipe = Storage(workspace), make_recipe(stage_factories(new.config))
        ahead = outlook(storage, recipe, remember(storage, expand(new.inputs, new.output, workspace)))
        tell(announcement(ahead))
        looked = dry_run
        if dry_run:
            return None
        return run(
            new.config,
            new.inputs,
            new.output,
            workspace,
            make_executor(executor, new.config),
            progress,
            allow_changed=True,
            takeover=takeover,
            stop=progress.stop,
        )

    report = carried_out(work)
    if report is None:
        return 0 if looked else 1
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    show_report(report)
    return exit_code(report)


def announcement(ahead: Outlook) -> str:
    """What will be done, in one line."""
    made = ", ".join(f"{stage} {n}" for stage, n in ahead.make.items() if n and stage != "assemble") or "none"
    parts = [
        f"to run: {ahead.chunk_stages()} chunk-stages ({made})",
        f"{sum(n for stage, n in ahead.reuse.items() if stage != 'assemble')} reused",
        f"{ahead.make['assemble']} videos to assemble",
    ]
    if ahead.finished:
        parts.append(f"{len(ahead.finished)} already as asked")
    if ahead.unknown:
        parts.append(f"not counted: the chunks of {len(ahead.unknown)} videos that must be split first")
    return "; ".join(parts)


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(reprocess, "reprocess", EXAMPLES)
