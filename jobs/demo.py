"""``reelift demo``: the main job on the clip in samples/."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from jobs.comparison import side_by_side
from jobs.console import complain, tell
from jobs.options import ExecutorName, ExecutorOption
from jobs.outcome import conclude
from jobs.restore import start

SAMPLE = Path(__file__).parent.parent / "samples" / "city.mkv"
COMPARED_FRAME = 24

EXAMPLES = """
reelift demo
reelift demo --folder /tmp/demo --executor local
"""


def demo(
    folder: Annotated[Path, typer.Option(help="Where results and workspace go.")] = Path("demo"),
    executor: ExecutorOption = ExecutorName.ray,
) -> int:
    """Restore the sample clip four times as large and show where the results are."""
    if not SAMPLE.exists():
        return complain(f"{SAMPLE}: the sample clip is missing; run this from a clone of the project")
    began = time.monotonic()
    tell(f"{SAMPLE.name}: 48 frames, 180x100 to 720x400, two to five minutes on two cores; results go to {folder}/")
    output = folder / "restored"
    report = start([str(SAMPLE)], str(output), str(folder / "workspace"), None, [], executor, None)
    code = conclude(report)
    if code:
        return code
    video = output / f"{SAMPLE.stem}.mkv"
    picture = folder / "side_by_side.png"
    side_by_side(SAMPLE, video, picture, COMPARED_FRAME)
    print(f"video:        {video}")
    print(f"fixity:       {video.with_suffix('.framemd5')}")
    print(f"side by side: {picture}")
    tell(f"took {time.monotonic() - began:.0f} s; the same command again does nothing twice")
    return 0


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(demo, "demo", EXAMPLES)
