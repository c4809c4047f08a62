"""``reelift reprocess``: a workspace again with other settings; what they do not reach is reused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.console import tell, warn
from jobs.options import ExecutorName, ExecutorOption, JsonOption, RunArgument, SetOption, TakeoverOption
from jobs.outcome import conclude
from jobs.running import run_again, running
from stages.wording import counted

if TYPE_CHECKING:
    from pipeline.outlook import Outlook

EXAMPLES = """
reelift reprocess run1/ --set decode.colour_fix=adain --dry-run
reelift reprocess run1/ --set decode.colour_fix=adain
"""


def reprocess(
    workspace: RunArgument,
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
    from pipeline.again import told
    from pipeline.outlook import outlook
    from pipeline.recorded import remember
    from pipeline.run import make_recipe
    from pipeline.sources import expand
    from pipeline.stage_factories import stage_factories
    from pipeline.storage import Storage

    with running("--takeover") as progress:
        new = told(workspace, set_ or [])
        storage, recipe = Storage(workspace), make_recipe(stage_factories(new.config))
        sources = remember(storage, expand(new.inputs, new.output, workspace))
        ahead = outlook(storage, recipe, sources, new.output)
        tell(announcement(ahead))
        if ahead.overlooked:
            first, count = ahead.overlooked[0], counted(len(ahead.overlooked), "video")
            how = "gone, or given in a line with another output; that line with --reprocess takes them"
            warn(f"not among the inputs, and left as it is: {count}, like {first} ({how})", videos=ahead.overlooked)
        if dry_run:
            if as_json:
                print(json.dumps(ahead.to_json(), indent=2))
            return 0
        report = run_again(new, workspace, executor, takeover, progress, allow_changed=True)
    return conclude(report, as_json)


def announcement(ahead: Outlook) -> str:
    """What will be done, in one line."""
    made = ", ".join(f"{stage} {n}" for stage, n in ahead.make.items() if n and stage != "assemble") or "none"
    parts = [
        f"to run: {ahead.chunk_stages()} chunk-stages ({made})",
        f"{sum(n for stage, n in ahead.reuse.items() if stage != 'assemble')} reused",
        f"{counted(ahead.make['assemble'], 'video')} to assemble",
    ]
    if ahead.finished:
        parts.append(f"{len(ahead.finished)} already as asked")
    if ahead.unknown:
        parts.append(f"not counted: the chunks of {counted(len(ahead.unknown), 'video')} still to be split")
    return "; ".join(parts)


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(reprocess, "reprocess", EXAMPLES)
