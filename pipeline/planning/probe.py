"""One source, looked at as split will: its state, and the chunks that it will really be cut into."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.rows import SourceRow
from pipeline.source_files import content_sha256, localise
from stages.contract import ItemError
from stages.items import Chunk
from stages.media.account import SourceAccount
from stages.media.colour import UNSPECIFIED
from stages.media.matroska import check_audio
from stages.media.probe import VideoFacts, describe, open_video
from stages.split.config import SplitConfig
from stages.split.cuts import CutFinder
from stages.split.plan import ChunkPlanner, plan_video
from stages.split.source import SourceReader, read_source
from stages.wording import counted

_USUAL_PRIMARIES = (1, 5, 6, 9)
_USUAL_TRANSFERS = (1, 6, 13, 14, 15)
_EVEN = 0.9
"""A rate is constant if so many of the frames are shown for the usual time, as in ``stages.split.survey``."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found in a source.

    Attributes:
        source, output: as found, and where it will be published.
        size: bytes, -1 if it is not there.
        error: why it cannot be restored, "" if it can.
        sha256: of the content, "" if nobody read it.
        width, height: of the restored frames' source, in samples.
        rate: nominal frames per second.
        seconds: how long it is shown.
        frames: frames that will be restored.
        chunks: frames of each chunk, overlaps included.
        exact: whether frames and chunks come from decoding it; else from its header alone, as if it had no cuts.
        trouble: kind -> what is to be known of it, in words.
    """

    source: str
    output: str
    size: int
    error: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    frames: int = 0
    chunks: tuple[int, ...] = ()
    exact: bool = False
    trouble: dict[str, str] = field(default_factory=dict)


def probe(row: SourceRow, config: SplitConfig, quick: bool = False) -> Probe:
    """Look at one source.

    Args:
        row: the source.
        config: how it will be split.
        quick: read the headers alone; then there is no digest, no damage and no cut to find.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="reelift-plan-") as scratch, localise(row, Path(scratch)) as path:
            sha256 = "" if quick else content_sha256(path, row.shown)
            with open_video(path, config.sequence_rate) as container:
                facts = describe(container, path.name)
                decoded = check_audio(container, path.name, quick)
            found = _by_header(facts, config) if quick else _by_decoding(path, config)
    except ItemError as error:
        return Probe(row.shown, row.output, row.size, error=str(error), trouble={"unreadable": str(error)})
    width, height, trouble, chunks, frames, seconds = found
    return Probe(
        row.shown,
        row.output,
        row.size,
        sha256=sha256,
        width=width,
        height=height,
        rate=float(facts.rate),
        seconds=seconds,
        frames=frames,
        chunks=chunks,
        exact=not quick,
        trouble={**_of_header(facts), **trouble, **({"decoded sound": "; ".join(decoded)} if decoded else {})},
    )


_Found = tuple[int, int, dict[str, str], tuple[int, ...], int, float]


def _by_header(facts: VideoFacts, config: SplitConfig) -> _Found:
    frames = facts.frames or round(facts.duration * facts.rate)
    if not frames:
        raise ItemError("its header does not say how long it is; look at it without --quick")
    chunks = plan_video("", [frames], config.chunk_frames, config.overlap_frames)
    return facts.width, facts.height, {}, tuple(map(len, chunks)), frames, facts.duration or float(frames / facts.rate)


def _by_decoding(path: Path, config: SplitConfig) -> _Found:
    """Read it twice, as split does, and keep nothing of it but the plan."""
    steps: Counter[int] = Counter()
    first = last = None
    mended = 0
    with read_source(path, config) as reader:
        cuts, planner = CutFinder(config), ChunkPlanner("", config.chunk_frames, config.overlap_frames)
        chunks: list[Chunk | None] = []
        for picture, stamp in reader:
            if last is not None:
                steps[stamp.pts - last] += 1
            first, last = stamp.pts if first is None else first, stamp.pts
            mended += stamp.mended
            chunks += [planner.add(cut) for cut in cuts.add(picture)]
        chunks += [planner.add(cut) for cut in cuts.finish()]
        chunks.append(planner.finish())
        seconds = float(((last or 0) - (first or 0) + reader.nominal) * reader.facts.time_base)
        trouble = _of_account(reader.account)
        if mended:
            trouble["timestamps"] = f"{mended} frames have no usable timestamp; they are placed by the nominal rate"
        trouble |= _of_rate(steps, reader)
        width, height = (int(side) for side in reader.account.form.partition(" ")[0].split("x"))
    sizes = tuple(len(chunk) for chunk in chunks if chunk is not None)
    return width, height, trouble, sizes, reader.frames, seconds


def _of_rate(steps: Counter[int], reader: SourceReader) -> dict[str, str]:
    total = sum(steps.values())
    if not total:
        return {}
    usual = steps.most_common(1)[0][0]
    even = sum(count for step, count in steps.items() if abs(step - usual) <= max(1, usual // 100))
    if even >= _EVEN * total:
        return {}
    low, high = (float(step * reader.facts.time_base) * 1000 for step in (min(steps), max(steps)))
    return {"variable rate": f"frames are shown for {low:.0f} to {high:.0f} ms; every timestamp is kept"}


def _of_account(account: SourceAccount) -> dict[str, str]:
    found = {}
    woven = [each for each in account.fields if each.treatment != "progressive"]
    if woven:
        frames = sum(each.stop - each.start for each in woven)
        kinds = ", ".join(sorted({each.treatment for each in woven}))
        found["interlaced"] = f"{frames} of {account.decoded} frames, will be: {kinds}"
    if account.flagged and not woven:
        found["mislabelled"] = f"{account.flagged} frames are flagged as interlaced and measured as progressive"
    if account.damage:
        found["damaged"] = "; ".join(account.remarks(3))
    if account.dropped:
        found["not kept"] = ", ".join(account.dropped)
    if account.resized:
        others = ", ".join(dict.fromkeys(each.form for each in account.resized[:3]))
        found["changes form"] = f"{len(account.resized)} times, from {account.form} ({others})"
    return found


def _of_header(facts: VideoFacts) -> dict[str, str]:
    found = {}
    if not facts.audio:
        found["no audio"] = "it has no sound"
    if facts.more_videos:
        are = "is" if facts.more_videos == 1 else "are"
        found["more video"] = f"{counted(facts.more_videos, 'more video stream')}, which {are} left out"
    colour = facts.colour
    odd = []
    if colour.primaries not in (*_USUAL_PRIMARIES, UNSPECIFIED):
        odd.append(f"primaries {colour.primaries}")
    if colour.transfer not in (*_USUAL_TRANSFERS, UNSPECIFIED):
        odd.append(f"transfer {colour.transfer}")
    if facts.width < 1280 and facts.height <= 576 and int(colour.matrix) in (1, 9):
        odd.append(f"matrix {int(colour.matrix)} at {facts.width}x{facts.height}")
    if odd:
        found["odd colour tags"] = f"{', '.join(odd)} (ITU-T H.273); check that the colours are right"
    return found
