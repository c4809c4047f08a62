"""What decoded frames owe to their sources: the temporal filter, and the low band of clean sources put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path

from torch import Tensor

from stages.decode.cleanliness import Judged, cleanliness
from stages.decode.config import DecodeConfig
from stages.decode.fidelity import back_project
from stages.decode.filtering import filtered_frames
from stages.decode.motion import found_anew, pair_by_pair
from stages.flow.flows import read_motion


def finished_frames(
    frames: Iterable[Tensor], sources: Iterable[Tensor], flow: Path, config: DecodeConfig, threads: int = 1
) -> Iterator[Tensor]:
    """Yield the frames of a chunk, filtered in time, and nearer to their sources where these are clean.

    Sources are judged before the filter: what it takes away is no damage, and is put back with the rest.

    Args:
        frames: as they were decoded, [3, H, W] in [-1, 1], on the canvas, in order; some ten are in memory at a time.
        sources: what they were made of, [3, h, w] in [-1, 1], the same part of the picture at any size.
        flow: the folder that the flow stage wrote for the chunk.
        config: ``temporal_filter`` and ``back_projection_if_clean``; with 0 for both, frames are as they were.
        threads: that find flow between decoded frames, where the configuration asks for that.

    Raises:
        IndexError: there are more frames than the flow was found for.
        ValueError: there are more sources than frames, or fewer.
    """
    put_back = config.back_projection_if_clean
    if not config.temporal_filter and not put_back:
        yield from frames
        return
    sources, compared = tee(sources)
    judged: Iterable[Judged] = (
        Judged(frame, cleanliness(frame[None], source[None])) for frame, source in zip(frames, compared, strict=True)
    )
    if config.temporal_filter:
        sources, inputs = tee(sources)
        if config.filter_flow == "source":
            between = pair_by_pair(read_motion(flow))
        else:
            judged, followed = tee(judged)
            between = found_anew(followed, threads)
        judged = filtered_frames(judged, inputs, between, config.temporal_filter)
    for each, source in zip(judged, sources, strict=True):
        yield _put_back(each, source, put_back) if put_back and each.clean.any() else each.frame


def _put_back(restored: Judged, source: Tensor, weight: float) -> Tensor:
    frame, wanted = ((each[None] + 1) / 2 for each in (restored.frame, source))
    return back_project(frame, wanted, weight * restored.clean)[0] * 2 - 1
