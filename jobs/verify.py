"""``reelift verify``: hold what was published against its record, its fixity file and its source."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from jobs.console import complain, show, tell
from stages.wording import counted, in_one_line

EXAMPLES = """
reelift verify run1/
reelift verify restored/
"""


def verify(
    place: Annotated[str, typer.Argument(help="Workspace of a run, or an output folder by itself.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check that nothing was lost or altered: files, frames, timestamps and audio packets of every restored video.

    Of an output folder alone the sums, framemd5 files and bags are checked, not the sources. What was never
    published cannot be verified: such videos are counted, and ``reelift status`` names them.

    Exit code: 0 all that was published is as it must be, 2 something differs, 1 the call itself is wrong.
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
    wrong = sum(bool(verdict.differences) for verdict in verdicts)
    unchecked = sum(bool(verdict.unchecked) for verdict in verdicts)
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=2))
    else:
        missing = found.unpublished
        told = f"{counted(len(verdicts), 'video')} verified: {len(verdicts) - wrong} whole, {wrong} not"
        told += f"; {unchecked} not checked against the source" if unchecked else ""
        told += f"; {counted(missing, 'video')} of this run not restored, see 'reelift status'" if missing else ""
        tell(told, wrong=wrong, unchecked=unchecked, unpublished=missing)
    return 2 if wrong else 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(verify, "verify", EXAMPLES)
