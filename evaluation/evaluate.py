"""Stream the clips past all measures.

Two passes: one for everything frame by frame, one that ColorVideoVDP pulls through its own interface. What is held in
memory does not grow with the clip, but for some hundred bytes a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.clip import Clip, Rgb, check_sizes, side_by_side
from evaluation.colorvideovdp import colorvideovdp, load_metric
from evaluation.cvvdp_import import MissingError, is_installed
from evaluation.gathering import Gathering, WarpingErrors
from evaluation.motion import load_estimator
from evaluation.report import ClipNumbers, Number, Report, SeamRatios
from evaluation.seams import Borders, seam_ratio
from evaluation.settings import MEASURES, EvaluationSettings
from evaluation.temporal_profile import TemporalProfile, require_place
from evaluation.warping_error import SCALE
from models.device import choose_device
from stages.contract import ItemError

Progress = Callable[[str, int], None]
"""Called with the name of the pass and the number of the frame."""


@dataclass(frozen=True, slots=True)
class BorderPlan:
    """Where a restored clip may have seams.

    Attributes:
        told: in words, for the report.
        find: number of frames of the clip -> its borders.
    """

    told: str
    find: Callable[[int], Borders]


def evaluate(
    reference: Path,
    restored: Path,
    low: Path | None = None,
    settings: EvaluationSettings | None = None,
    borders: BorderPlan | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a restored clip.

    Args:
        reference: the original, of the restored size.
        restored: what is judged.
        low: the input of the restoration, for the measures that need it.
        settings: what to measure.
        borders: where to look for seams.
        progress: called for every frame of each pass.

    Raises:
        ItemError: a clip cannot be read, they do not fit together, or the profile cannot be written.
        MissingError: ColorVideoVDP was asked for by name and is not installed.
        FileNotFoundError, ValueError: there is no such flow network, display or device.
    """
    settings = settings or EvaluationSettings()
    clips = _open(reference, restored, low)
    wanted, notes = _possible(settings, low is not None)
    device = choose_device(settings.device)
    metric = load_metric(device, settings.display) if "cvvdp" in wanted else None
    warping = None
    if "warping" in wanted:
        warping = WarpingErrors(load_estimator(settings.flow, settings.model, device), device)
    gathering, profile = Gathering(wanted, warping), _profile(settings, clips[0])
    for number, (sharp, true, *small) in enumerate(side_by_side(clips, settings.frames), start=1):
        gathering.add(sharp, true, small[0] if small else None)
        if profile is not None:
            profile.add({**({"input": small[0]} if small else {}), "restored": sharp, "reference": true})
        if progress is not None:
            progress("frames", number)
    if profile is not None and settings.profile is not None:
        profile.write(settings.profile)
    quality = None if metric is None else _cvvdp(metric, clips, gathering.frames, progress)
    if "niqe" in wanted and gathering.restored.niqe.value is None:
        notes.append("NIQE: frames are smaller than 192x192, or flat")
    if "ssim" in wanted and gathering.ssim.value is None:
        notes.append("SSIM: frames are smaller than 11x11")
    seams = SeamRatios()
    if warping is not None and borders is not None:
        seams = _seams(gathering, borders)
    return _report(clips, gathering, settings, seams, quality, notes)


def _open(reference: Path, restored: Path, low: Path | None) -> list[Clip]:
    """The clips in the order restored, reference, input."""
    clips = [Clip.open(path) for path in (restored, reference, low) if path is not None]
    check_sizes(clips[1], clips[0], clips[2] if low is not None else None)
    return clips


def _possible(settings: EvaluationSettings, has_low: bool) -> tuple[frozenset[str], list[str]]:
    """The measures that can be taken, and why others cannot."""
    wanted, notes = set(settings.measures), []
    if "cvvdp" in wanted and not is_installed():
        error = MissingError()
        if settings.measures != MEASURES:
            raise error
        wanted.remove("cvvdp")
        notes.append(str(error))
    if "consistency" in wanted and not has_low:
        wanted.remove("consistency")
        notes.append("consistency and sharpness gain need the input of the restoration (--lr)")
    return frozenset(wanted), notes


def _profile(settings: EvaluationSettings, clip: Clip) -> TemporalProfile | None:
    if settings.profile is None:
        return None
    require_place(settings.profile)
    height = clip.size[0]
    row = settings.profile_row if settings.profile_row is not None else height // 2
    if row >= height:
        raise ItemError(f"{clip.path.name} has rows 0 to {height - 1}: there is no row {row} for the temporal profile")
    return TemporalProfile(row)


def _cvvdp(metric: Any, clips: list[Clip], frames: int, progress: Progress | None) -> float:
    restored, reference = clips[:2]

    def pairs() -> Generator[tuple[Rgb, Rgb]]:
        for number, (sharp, true) in enumerate(side_by_side((restored, reference), frames), start=1):
            if progress is not None:
                progress("cvvdp", number)
            yield sharp, true

    with closing(pairs()) as stream:
        return colorvideovdp(metric, stream, restored.size, frames, restored.facts.rate)


def _seams(gathering: Gathering, plan: BorderPlan) -> SeamRatios:
    borders = plan.find(gathering.frames)
    errors = gathering.restored.pairs, gathering.reference.pairs
    return SeamRatios(
        window=seam_ratio(*errors, borders.window, borders.inside),
        chunk=seam_ratio(*errors, borders.chunk, borders.inside),
        window_pairs=int(borders.window.sum()),
        chunk_pairs=int(borders.chunk.sum()),
        borders=plan.told,
    )


def _report(
    clips: list[Clip],
    gathering: Gathering,
    settings: EvaluationSettings,
    seams: SeamRatios,
    quality: float | None,
    notes: list[str],
) -> Report:
    enlarged, own = gathering.enlarged.value, gathering.restored.sharpness.value
    numbers = {}
    for name in ("restored", "reference"):
        means = getattr(gathering, name)
        numbers[name] = ClipNumbers(
            niqe=means.niqe.value,
            warping_error=_or_none(means.pairs.mean() * SCALE),
            sharpness=means.sharpness.value,
        )
    return Report(
        reference_file=str(clips[1].path),
        restored_file=str(clips[0].path),
        low_file=str(clips[2].path) if len(clips) > 2 else None,
        width=clips[0].facts.width,
        height=clips[0].facts.height,
        frames=gathering.frames,
        psnr_y=_or_none(gathering.psnr.value),
        ssim_y=gathering.ssim.value,
        cvvdp=quality,
        consistency=_or_none(gathering.consistency.value),
        sharpness_gain=own / enlarged if enlarged and own is not None else None,
        restored=numbers["restored"],
        reference=numbers["reference"],
        seams=seams,
        pairs_left_out=gathering.warping.left_out if gathering.warping else 0,
        flow=settings.flow if gathering.warping else "",
        notes=tuple(notes),
    )


def _or_none(value: float) -> Number:
    return None if math.isnan(value) else value
