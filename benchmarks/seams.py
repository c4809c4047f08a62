"""Whether the picture jumps at the borders of windows and chunks: the published way against ours, on a real clip.

    python -m benchmarks.seams [--frames 48] [--chunk 25] [--json benchmarks/results/seams.json]

A crop of the sample clip is taken through the whole pipeline, once for each way, with the same networks, seed and
steps. What differs is what the two do about time (``WAYS``). The seam ratio is that of ``reelift evaluate``: 1 means
that frames differ no more across a border than inside, by the measure of the original.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from evaluation.clip import Clip
from evaluation.evaluate import evaluate
from evaluation.settings import EvaluationSettings
from jobs.evaluate import borders_of_run
from models.device import choose_device
from pipeline.config import RunConfig, merge, validate
from pipeline.run import run
from stages.media.frames import FrameWriter, rgb_format

SAMPLES = Path(__file__).parent.parent / "samples"
SCALE = 4
NO_GUIDANCE = {"sample": {"guidance": {"form": "none"}}}
DISJOINT = {
    "split": {"overlap_frames": 0},
    "sample": {"window_overlap": 0, "last_window": "repeat", "sample_posterior": True},
    "decode": {
        "window_frames": 5,
        "window_overlap": 0,
        "last_window": "repeat",
        "colour_fix": "adain",
        "temporal_filter": 0.0,
    },
}
WAYS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, windows overlap": {"sample": {"window_overlap": 2}},
    "ours, no guidance": NO_GUIDANCE,
    # Disjoint windows and chunks, guidance by the wrong pairs within a window, colours of each frame by itself.
    "published": merge(DISJOINT, {"sample": {"guidance": {"form": "published", "scale": -10.0}}}),
    "published, no guidance": merge(DISJOINT, NO_GUIDANCE),
}
"""Way -> what it changes in the embedded preset. Noise is a function of (seed, video, frame, step) in all of them."""
COLUMNS = ("window", "chunk", "E*warp", "PSNR-Y", "seconds")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seams", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--chunk", type=int, default=25, help="frames of a chunk; a multiple of 5 is fair to both")
    parser.add_argument(
        "--overlap", type=int, default=6, help="frames that neighbouring chunks share, where they share any"
    )
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="of the crop; all of it")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--model", type=Path, help="model folder; the embedded one")
    parser.add_argument("--estimate", choices=("recurrent", "bicubic"), default="recurrent")
    parser.add_argument("--start", type=float, help="share of the noise to start from; the preset's")
    parser.add_argument("--steps", type=int, help="the preset's")
    parser.add_argument(
        "--fusion", type=float, help="weight of the estimate's features; 0: the latents alone make the picture"
    )
    parser.add_argument("--flow", choices=("spynet", "dis"), default="spynet", help="of the measure")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args(arguments)


def crop(source: Path, target: Path, frames: int, size: tuple[int, int] | None, scale: int = 1) -> Path:
    """Write the first frames of a clip as R'G'B' at 10 bits, cropped about its middle.

    Args:
        source: the clip.
        target: the file to write.
        frames: how many.
        size: width and height of the crop in pixels of the input; None keeps all.
        scale: how many times as large ``source`` is as the input.
    """
    clip = Clip.open(source)
    high, wide = (side // scale for side in clip.size)
    width, height = size or (wide, high)
    top, left = (high - height) // 2 * scale, (wide - width) // 2 * scale
    height, width = height * scale, width * scale
    with FrameWriter(target, rgb_format(width, height, rate=clip.facts.rate)) as writer:
        for frame in islice(clip.frames(), frames):
            writer.write(frame[top : top + height, left : left + width])
    return target


def configuration(options: argparse.Namespace, way: str) -> RunConfig:
    """The run's configuration for one way."""
    overlap = min(options.overlap, (options.chunk - 1) // 2)
    sample = {"initial_estimate": options.estimate, "start": options.start, "steps": options.steps}
    shared = {
        "model": options.model,
        "split": {"chunk_frames": options.chunk, "overlap_frames": overlap, "detect_cuts": False},
        "flow": {"reduction": 4},
        "sample": {key: value for key, value in sample.items() if value is not None},
        "decode": {} if options.fusion is None else {"fusion_weight": options.fusion},
        "runtime": {"device": options.device, "threads": torch.get_num_threads()},
    }
    return validate(merge(shared, WAYS[way]))


def measure(options: argparse.Namespace, way: str, low: Path, reference: Path, folder: Path) -> dict[str, Any]:
    """Restore the crop one way and find its seams.

    Raises:
        RuntimeError: the run failed.
    """
    began = time.perf_counter()
    report = run(configuration(options, way), [low], folder / "restored", folder / "workspace")
    if not report.ok:
        raise RuntimeError(f"{way}: {report.failures[0].message}")
    seconds = time.perf_counter() - began
    restored = folder / "restored" / low.name
    settings = EvaluationSettings(measures=("psnr", "warping"), flow=options.flow, device=options.device)
    found = evaluate(
        reference, restored, settings=settings, borders=borders_of_run(str(folder / "workspace"), restored)
    )
    return {
        **found.seams.model_dump(),
        "warping_error": found.restored.warping_error,
        "reference_warping_error": found.reference.warping_error,
        "psnr_y": found.psnr_y,
        "seconds": round(seconds, 1),
    }


def row(way: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    values = (found["window"], found["chunk"], found["warping_error"], found["psnr_y"], found["seconds"])
    return f"{way:26}" + "".join(f"{'-' if value is None else format(value, '.3f'):>10}" for value in values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all ways and print the table."""
    options = parse(arguments)
    print(f"{'seam ratio at borders of':26}" + "".join(f"{name:>10}" for name in COLUMNS))
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="seams-") as name:
        folder = Path(name)
        size = tuple(options.size) if options.size else None
        low = crop(SAMPLES / "city.mkv", folder / "clip.mkv", options.frames, size)
        reference = crop(SAMPLES / "city_original.mkv", folder / "original.mkv", options.frames, size, SCALE)
        for number, way in enumerate(options.ways):
            rows[way] = measure(options, way, low, reference, folder / str(number))
            print(row(way, rows[way]), flush=True)
    result = {
        "rows": rows,
        "options": given(options),
        "model": "embedded" if options.model is None else options.model.name,
        "machine": machine(choose_device(options.device)),
    }
    write_result(options.json, result)


if __name__ == "__main__":
    main()
