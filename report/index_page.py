"""The page of the run: all videos in one table, what failed first."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.fingerprint import CHUNK_STAGES
from pipeline.tally import Failure
from report.account import RunAccount, VideoAccount
from report.rendering import render
from report.wording import duration, plural

MOST_REASONS = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its key among the data, its heading, and what it says."""

    key: str
    label: str
    about: str
    digits: int = 0
    css: str = "num"


COLUMNS = (
    Column("state", "State", "failed, left to do, or restored", css=""),
    Column("name", "Video", "place below the output folder", css="name"),
    Column("frames", "Frames", "frames of the video"),
    Column("shots", "Shots", "between two cuts", css="num spare"),
    Column("chunks", "Chunks", "units of work", css="num spare"),
    Column("seconds", "Work", "time that all stages took, all attempts"),
    Column("troubles", "Troubles", "attempts that did not go well", css="num spare"),
    Column("consistency", "Consistency dB", "of the worst measured frame with its input; under 30 dB is flagged", 1),
    Column("warping", "Warping", "warping error over that of the input, enlarged", 2, "num spare"),
    Column("seam", "Seam", "the worst shot's seam ratio; 1 is none, 1.5 can be seen", 2, "num spare"),
    Column("sharpness", "Sharpness", "sharpness over that of the input, enlarged", 2, "num spare"),
    Column("flags", "Flags", "what a person should look at"),
)
_HIDDEN = ("source", "reason", "page")
_SEGMENTS = (("", "All"), ("failed", "Failed"), ("left", "Left"), ("done", "Restored"), ("flagged", "Flagged"))


def index_page(
    run: RunAccount,
    rows: Sequence[Mapping[str, Any]],
    status: Mapping[str, Any],
    settings: Mapping[str, Any],
    run_yaml: str,
) -> bytes:
    """Return the page of the run.

    Args:
        run: the account, in the order of the table.
        rows: of every video, with the keys of ``COLUMNS`` and source, reason, page.
        status: what ``pipeline.status`` says.
        settings: of run.yaml.
        run_yaml: its text.
    """
    counts = Counter(video.state for video in run.videos)
    flagged = sum(bool(row["flags"]) for row in rows)
    seconds = run.seconds()
    reasons = _reasons(list(run.tally.failures.values()))
    keys = [*(column.key for column in COLUMNS), *_HIDDEN]
    data = {
        "columns": keys,
        "shown": [{"key": column.key, "css": column.css, "digits": column.digits} for column in COLUMNS],
        "rows": [[row[key] for key in keys] for row in rows],
    }
    return render(
        "index.html.j2",
        ("index.js",),
        data,
        home="index.html",
        workspace=status["workspace"],
        output=settings.get("output", ""),
        counts={state: counts[state] for state in ("failed", "left", "done")}
        | {"total": len(run.videos), "flagged": flagged},
        frames=f"{sum(row['frames'] or 0 for row in rows if row['state'] == 'done'):,}",
        seconds=duration(sum(seconds.values())),
        retry=shlex.join(["reelift", "retry", str(status["workspace"])]),
        reasons=reasons[:MOST_REASONS],
        reasons_left=max(0, len(reasons) - MOST_REASONS),
        segments=_SEGMENTS,
        columns=COLUMNS,
        stages=[_stage(name, counted, seconds[name]) for name, counted in status["stages"].items()],
        facts=_facts(run, settings),
        settings=run_yaml,
    )


def row_of(account: VideoAccount, page: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A video's row of the table."""
    left_out = f"not in the result: {account.left_out}" if account.left_out else ""
    remarks = [each for each in (account.damage, left_out, account.decoded_sound) if each]
    return {
        **{column.key: None for column in COLUMNS},
        "problems": [],
        **found,
        "state": account.state,
        "name": account.output,
        "seconds": round(account.seconds(), 1) or None,
        "troubles": len(account.troubles()),
        "source": account.source,
        "flags": (found.get("flags") or 0) + len(remarks),
        "reason": "; ".join(account.reasons[:2] if account.state == "failed" else remarks),
        "page": page,
    }


def _reasons(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """Messages of failures, the commonest first; what differs only in the name of the file counts as one."""
    groups: dict[str, list[str]] = {}
    for failure in failures:
        _, colon, rest = failure.message.partition(": ")
        groups.setdefault(rest if colon and rest else failure.message, []).append(failure.message)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return [{"count": len(all_), "text": text if len(all_) > 1 else all_[0], "find": text} for text, all_ in ordered]


def _stage(name: str, counted: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    if name == "split":  # what it cannot read has no chunks to be counted by
        videos = counted["standing"]
        done, failed = videos["done"] - videos["failed"], videos["failed"]
        counted = {"done": done, "failed": failed, "left": videos["total"] - videos["done"]}
    total = max(1, counted["done"] + counted["failed"] + counted["left"])
    unit = "chunk" if name in CHUNK_STAGES else "video"
    told = [f"{counted['done']:,} {plural(unit, counted['done'])} done"]
    told += [f"{counted[state]:,} {state}" for state in ("failed", "left") if counted[state]]
    told.append(duration(seconds))
    return {
        "name": name,
        "told": ", ".join(told),
        "done": round(1000 * counted["done"] / total),
        "failed": round(1000 * counted["failed"] / total),
    }


def _facts(run: RunAccount, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("preset", settings.get("preset")),
        ("scale", settings.get("scale")),
        ("seed", settings.get("seed")),
        ("model", settings.get("model")),
        ("inputs", ", ".join(map(str, settings.get("inputs") or []))),
        ("runs so far", run.epoch),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]
