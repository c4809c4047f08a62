"""What to measure, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluation.motion import FlowName

Measure = Literal["psnr", "ssim", "cvvdp", "niqe", "warping", "consistency", "sharpness"]
MEASURES: tuple[Measure, ...] = ("psnr", "ssim", "cvvdp", "niqe", "warping", "consistency", "sharpness")


class EvaluationSettings(BaseModel):
    """Everything that decides the numbers besides the clips."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measures: tuple[Measure, ...] = Field(MEASURES, description="Which measures; the seam ratio comes with 'warping'.")
    frames: int | None = Field(None, ge=1, description="Only the first frames of the clips; null takes all.")
    flow: FlowName = Field("spynet", description="Where the motion for the warping error comes from.")
    model: Path | None = Field(None, description="Model folder with the flow network; null is the embedded model.")
    display: str = Field("standard_4k", description="Display model of ColorVideoVDP.")
    device: str = Field("auto", description="torch device, or 'auto': the first GPU, else the CPU.")
    profile: Path | None = Field(None, description="Where the temporal profile is written (PNG); null draws none.")
    profile_row: int | None = Field(None, ge=0, description="Row of the temporal profile; null is the middle one.")
