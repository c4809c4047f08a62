"""Damaged files, each a function of its seed; run as a program it restores a batch of them: ``FOLDER FIRST LAST``."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

SUFFIXES = (".mkv", ".mp4", ".mov", ".mpg", ".ts", ".avi", ".mxf")


def damaged(seed: int, clips: list[Path]) -> tuple[str, bytes]:
    """The name and the bytes of one case: truncated, with flipped bits, or spliced with itself or another clip."""
    rng = random.Random(seed)
    clip = clips[seed % len(clips)]
    data = bytearray(clip.read_bytes())
    way = rng.choice(("truncate", "flip", "flip the head", "splice", "zero", "repeat"))
    if way == "truncate":
        del data[rng.randrange(1, len(data)) :]
    elif way in ("flip", "flip the head"):
        end = len(data) if way == "flip" else min(len(data), 800)
        for _ in range(rng.choice((1, 3, 20, 100))):
            data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    elif way == "splice":
        other = rng.choice(clips).read_bytes()
        start = rng.randrange(len(other))
        place = rng.randrange(len(data))
        data[place : place + rng.choice((0, 100, 2000))] = other[start : start + rng.randrange(1, 4000)]
    elif way == "zero":
        start = rng.randrange(len(data))
        length = min(len(data) - start, rng.randrange(1, 2000))
        data[start : start + length] = bytes(length)
    else:
        start = rng.randrange(len(data))
        data[start:start] = data[start : start + rng.randrange(1, 4000)]
    return f"{seed:04d}-{way.replace(' ', '-')}{clip.suffix}", bytes(data)


def main(folder: Path, first: int, last: int) -> None:
    """Write the cases into ``folder/library``, restore them, and print what became of each as JSON."""
    from cheap_stages import cheap_stages

    from pipeline.config import load_config
    from pipeline.run import run

    clips = sorted((folder.parent / "clips").iterdir())
    (folder / "library").mkdir()
    for seed in range(first, last):
        name, data = damaged(seed, clips)
        (folder / "library" / name).write_bytes(data)
    light = ["assemble.framemd5=false", "assemble.provenance=false", "assemble.sha256=false", "limits.attempts=2"]
    config = load_config(overrides=[*light, "limits.keep_artifacts=false", "split.detect_cuts=false"])
    stages = cheap_stages(config)
    report = run(config, [folder / "library"], folder / "restored", folder / "workspace", stages=stages)
    print(
        json.dumps({"videos": report.videos, "failures": [[f.source, f.outcome, f.message] for f in report.failures]})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
