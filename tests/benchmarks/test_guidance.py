from __future__ import annotations

from benchmarks.guidance import decoders, guidances
from pipeline.config import validate
from stages.decode.config import DecodeConfig
from stages.sample.config import GuidanceConfig


def test_the_shipped_guidance_and_windows_are_among_the_rows() -> None:
    shipped = GuidanceConfig()
    found = [validate({"sample": {"guidance": strength}}).sample.guidance for strength in guidances().values()]
    assert shipped in found and found[0].form == "none" and len(set(map(repr, found))) == len(found)
    windows = [validate({"decode": each}).decode for each in decoders().values()]
    assert windows[0].window_frames == 1 and windows[1] == DecodeConfig()
