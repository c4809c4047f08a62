"""``reelift verify``: hold what was published against its record, its fixity file and its source."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from jobs.console import complain, show, tell
from stages.wording import counted, in_one_line

if TYPE_CHECKING:
    from pipeline.verdicts import Verdict

EXAMPLES = """
reelift verify run1/
reelift verify restored/
"""


def verify(
    place: Annotated[str, typer.Argument(help="Workspace of a run, or an output folder by itself.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check that nothing was lost or altered: files, frames, timestamps and audio packets of every restored video.

    Of an output folder alone the sums, framemd5 files and bags are checked, not the sources; a missing list is a
    difference, and what needs none is named as not checked. What was never published cannot be verified: such videos
    are counted, and ``reelift status`` names them.

    Exit code: 0 all that was checked is as it must be, 2 something differs, 1 the call itself is wrong.
    """
    from pipeline.storage import StorageError
    from pipeline.verify import verify as verify_all

    verdicts = []
    try:
        found = verify_all(place)
        for verdict in found:
            verdicts.append(verdict)
            where = verdict.video or verdict.source
            if verdict.unchecked:
                said = Text(in_one_line(f"{where}: {verdict.unchecked}"), style="yellow")
                show(said, verdict.unchecked, "warning", video=where)
            for difference in verdict.differences:
                said = Text(in_one_line(f"{where}: {difference}"), style="red")
                show(said, difference, level="warning", video=where)
    except (StorageError, OSError) as error:
        return complain(error)
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=2))
    else:
        _sum_up(verdicts, found.unpublished)
    return 2 if any(verdict.differences for verdict in verdicts) else 0


def _sum_up(verdicts: list[Verdict], missing: int) -> None:
    videos = [verdict for verdict in verdicts if not verdict.bag]
    bags = [verdict for verdict in verdicts if verdict.bag]
    wrong, wrong_bags = (sum(bool(verdict.differences) for verdict in each) for each in (videos, bags))
    whole = sum(verdict.whole for verdict in videos)
    unchecked = len(videos) - whole - wrong
    told = f"{counted(whole + wrong, 'video')} verified: {whole} whole, {wrong} not"
    told += f"; {unchecked} not checked, or not all of it" if unchecked else ""
    told += f"; {counted(len(bags), 'bag')}: {len(bags) - wrong_bags} whole, {wrong_bags} not" if bags else ""
    told += f"; {counted(missing, 'video')} of this run not restored, see 'reelift status'" if missing else ""
    tell(told, wrong=wrong, unchecked=unchecked, unpublished=missing, wrong_bags=wrong_bags)


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(verify, "verify", EXAMPLES)
