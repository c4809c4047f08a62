"""What goes into a report."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReportSettings(BaseModel):
    """How much of each video is shown and measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int = Field(8, ge=0, le=200, description="pairs of frames in full size per video; 0 shows none")
    quality: int = Field(100, ge=1, le=100, description="of the pictures, as WebP counts; 100 loses nothing")
    measure: int = Field(240, ge=0, description="frames per video whose figures are measured; 0 measures none")
