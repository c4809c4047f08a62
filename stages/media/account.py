"""What was found in a source and what was decided about it: told by the table of a video's last chunk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Treatment = Literal["progressive", "deinterlaced", "inverse telecine", "kept"]
Order = Literal["", "tff", "bff"]


class FieldStretch(BaseModel):
    """Consecutive frames of the source, as decoded, that are treated alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: int = Field(..., ge=0, description="first frame of the source")
    stop: int = Field(..., gt=0, description="one past the last frame of the source")
    treatment: Treatment = Field(..., description="what is done with its fields")
    order: Order = Field(default="", description="which field comes first, as measured; '' where nothing says so")
    why: str = Field(default="", description="what it was decided by")


class Damage(BaseModel):
    """Something of the source that could not be read whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: int = Field(..., ge=0, description="number of the frame at or before which it was met")
    seconds: float | None = Field(default=None, description="where in the source, if known")
    what: str = Field(..., description="what is wrong, in words")

    def __str__(self) -> str:
        at = "" if self.seconds is None else f" at {self.seconds:.3f} s"
        return f"{self.what}{at} (frame {self.frame})"


class Resized(BaseModel):
    """Consecutive frames of another form than the video's: of another size, pixel format, shape or colour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: int = Field(..., ge=0, description="first frame")
    stop: int = Field(..., gt=0, description="one past the last frame")
    form: str = Field(..., description="width x height and pixel format as decoded, and what else differs")


class SourceAccount(BaseModel):
    """Everything of a source that an archivist asks about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoded: int = Field(..., ge=0, description="frames that were decoded")
    form: str = Field(..., description="width x height and pixel format in which the video is restored")
    fields: tuple[FieldStretch, ...] = Field(default=(), description="what was done with interlacing")
    measured: dict[str, int] = Field(default_factory=dict, description="frames by what idet measured")
    flagged: int = Field(default=0, ge=0, description="frames that the file flags as interlaced")
    damage: tuple[Damage, ...] = Field(default=(), description="what could not be read whole")
    resized: tuple[Resized, ...] = Field(default=(), description="frames of another size, format, shape or colour")
    matrix: str = Field(default="", description="by what the colour matrix was decided")
    dropped: tuple[str, ...] = Field(
        default=(), description="what the pictures carry and the result does not: alpha, metadata of HDR"
    )
    beyond: dict[str, float] = Field(
        default_factory=dict, description="share of luma samples 'above white' and 'below black', which are clipped"
    )
    captions: int = Field(default=0, ge=0, description="frames that carry closed captions (ATSC A/53)")

    def remarks(self, most: int = 20) -> list[str]:
        """The damage, one line each; what is too much is counted."""
        return shortened([str(each) for each in self.damage], most)


def shortened(lines: Iterable[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    every = list(lines)
    return every if len(every) <= most else [*every[:most], f"and {len(every) - most} more"]
