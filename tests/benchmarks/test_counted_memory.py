"""What the full networks hold in memory, counted without data."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.counted_memory import GIB, main


def test_720p_fits_on_a_gpu_of_24_gb(tmp_path: Path) -> None:
    main(["--frames", "1280x720", "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())["gibibytes"]["1280x720"]
    sample = found["sample: weights"] + max(found["sample: encode a frame"], found["sample: a step"])
    decode = found["decode: weights"] + found["decode: a window"]
    assert 1 < sample < 24e9 / GIB and 1 < decode < 24e9 / GIB


def test_it_grows_with_the_pixels_and_not_with_their_square(tmp_path: Path) -> None:
    sizes = ("256x256", "512x512")
    main(["--frames", *sizes, "--json", str(tmp_path / "found.json")])
    small, large = (json.loads((tmp_path / "found.json").read_text())["gibibytes"][size] for size in sizes)
    assert small["sample: weights"] == large["sample: weights"]
    assert 3 < large["decode: a window"] / small["decode: a window"] < 4.5, "in proportion to the pixels"
