"""``frames.json``: which frames a chunk holds, when each is shown, and what its code values mean."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stages.media.account import Order, SourceAccount
from stages.media.colour import ColourTags

TABLE_NAME = "frames.json"


class FrameTable(BaseModel):
    """The frames of one chunk, in order of presentation. Times are ``pts * time_base`` seconds, as in the source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(..., ge=0, description="number of the first frame within the video")
    time_base: Fraction = Field(..., gt=0, description="seconds per tick, the source stream's own")
    pts: tuple[int, ...] = Field(..., min_length=1, description="presentation timestamp of each frame in ticks")
    durations: tuple[int, ...] = Field(..., description="how long each frame is shown, in ticks")
    width: int = Field(..., gt=0, description="columns")
    height: int = Field(..., gt=0, description="rows")
    pix_fmt: str = Field(..., description="FFmpeg's name of the pixel format of frames.mkv")
    rate: Fraction = Field(..., gt=0, description="nominal frames per second")
    sar: Fraction = Field(default=Fraction(1), gt=0, description="sample aspect ratio")
    rotation: int = Field(default=0, description="degrees by which a player turns the picture counter-clockwise")
    mirrored: bool = Field(default=False, description="whether it then shows the picture with left for right")
    woven: Order = Field(
        default="", description="where the fields of a picture are kept woven together, which of them comes first"
    )
    colour: ColourTags = Field(..., description="meaning of the code values")
    mended: int = Field(default=0, ge=0, description="frames of this chunk whose timestamp was unusable and made up")
    decode_errors: int = Field(
        default=0, ge=0, description="packets of the whole video that could not be decoded; told by its last chunk"
    )
    account: SourceAccount | None = Field(
        default=None, description="what was found in the whole source and decided about it; told by its last chunk"
    )
    announced_frames: int = Field(
        default=0, ge=0, description="frames that the container announces, 0 if it does not; told by the last chunk"
    )
    announced_seconds: float = Field(
        default=0.0, ge=0, description="duration that the container announces, 0 if it does not; told by the last chunk"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.pts) != len(self.durations):
            raise ValueError("pts and durations differ in length")
        if any(later <= earlier for earlier, later in zip(self.pts, self.pts[1:], strict=False)):
            raise ValueError("timestamps do not increase")
        return self

    def __len__(self) -> int:
        return len(self.pts)


def read_table(folder: Path) -> FrameTable:
    """The table of a chunk folder that split wrote."""
    return FrameTable.model_validate_json((folder / TABLE_NAME).read_bytes())


def write_table(folder: Path, table: FrameTable) -> None:
    """Write ``frames.json`` into ``folder``."""
    (folder / TABLE_NAME).write_text(table.model_dump_json() + "\n")
