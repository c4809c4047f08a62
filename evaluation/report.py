"""What an evaluation found."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_serializer

Number = float | None


class ClipNumbers(BaseModel):
    """Measures that need no other clip; None where one was not asked for or cannot be computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    niqe: Number = Field(None, description="NIQE, lower is more natural")
    warping_error: Number = Field(None, description="E*warp times 1000, lower is steadier")
    sharpness: Number = Field(None, description="mean absolute Laplacian of luma, in 8-bit code values")


class SeamRatios(BaseModel):
    """Warping error across borders over that inside, over the same of the reference; 1 is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Number = Field(None, description="across borders of windows; None if there are none")
    chunk: Number = Field(None, description="across borders of chunks; None if there are none")
    window_pairs: int = Field(0, description="pairs of frames that cross borders of windows")
    chunk_pairs: int = Field(0, description="pairs of frames that cross borders of chunks")
    borders: str = Field("", description="where the borders are")


class Report(BaseModel):
    """All numbers of one restored clip. ``notes`` says what was left out and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference_file: str
    restored_file: str
    low_file: str | None = None
    width: int
    height: int
    frames: int
    psnr_y: Number = Field(None, description="dB, infinite for equal clips")
    ssim_y: Number = Field(None, description="-1 to 1")
    cvvdp: Number = Field(None, description="ColorVideoVDP, JOD up to 10")
    consistency: Number = Field(None, description="PSNR-Y in dB between the input and the restored clip made small")
    sharpness_gain: Number = Field(None, description="sharpness over that of the input enlarged bicubically")
    restored: ClipNumbers = ClipNumbers()
    reference: ClipNumbers = ClipNumbers()
    seams: SeamRatios = SeamRatios()
    pairs_left_out: int = Field(0, description="pairs of frames at cuts, where flow cannot be believed")
    flow: str = Field("", description="what estimated the flow")
    notes: tuple[str, ...] = ()

    @field_serializer("psnr_y", "consistency", when_used="json")
    def _infinity(self, value: Number) -> Any:
        """JSON has no infinity: it is told as a string, which Python's and JavaScript's conversions understand."""
        return "Infinity" if value is not None and math.isinf(value) else value
