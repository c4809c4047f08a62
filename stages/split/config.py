"""How videos are cut into chunks."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FieldPolicy = Literal["auto", "progressive", "deinterlace", "ivtc", "keep"]

_THRESHOLDS = {"adaptive": 3.0, "content": 27.0}
"""PySceneDetect's own defaults."""


class SplitConfig(BaseModel):
    """Chunks, cuts and interlacing. Changing any of it changes the chunks, and so everything after them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_frames: int = Field(default=30, ge=1, le=1000, description="frames of a chunk at most, overlaps included")
    overlap_frames: int = Field(
        default=6, ge=0, le=100, description="frames that neighbouring chunks of a shot share and that are cross-faded"
    )
    detect_cuts: bool = Field(default=True, description="look for cuts; without, the whole video is one shot")
    detector: Literal["adaptive", "content"] = Field(
        default="adaptive", description="PySceneDetect's detector: adaptive bears fast motion, content is the plain one"
    )
    threshold: float | None = Field(
        default=None, gt=0, le=255, description="the detector's threshold; its own default if not given"
    )
    min_shot_frames: int = Field(
        default=5, ge=1, le=1000, description="a cut fewer frames than this after the one before is not one"
    )
    deinterlace: FieldPolicy = Field(
        default="auto",
        description="auto: by measurement of the whole file (idet), stretch by stretch: interlaced frames are "
        "deinterlaced (bwdif, one frame out for one frame in), steady 3:2 pulldown is undone (four frames out for five "
        "in), progressive ones stay. progressive: nothing is done; deinterlace: all frames; ivtc: pulldown is undone "
        "everywhere; keep: fields stay woven and the result is marked as interlaced, only with scale 1",
    )
    sequence_rate: Fraction = Field(
        default=Fraction(24), gt=0, le=1000, description="frames per second of folders of images, which have no rate"
    )

    @model_validator(mode="after")
    def _overlaps_fit(self) -> Self:
        if self.chunk_frames <= 2 * self.overlap_frames:
            raise ValueError(
                f"chunk_frames ({self.chunk_frames}) must be more than twice overlap_frames ({self.overlap_frames})"
            )
        return self

    @property
    def cut_threshold(self) -> float:
        """The threshold in force."""
        return self.threshold if self.threshold is not None else _THRESHOLDS[self.detector]
