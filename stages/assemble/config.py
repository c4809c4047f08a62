"""What goes into the finished file, and beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Kind = Literal["prores", "h264", "h265", "av1", "dpx", "png"]
_WORST: Mapping[Kind, int] = {"h264": 51, "h265": 51, "av1": 63}
"""The end of each encoder's scale: libx265 refuses what lies beyond, libx264 takes it for 51 without a word."""


class DerivativeConfig(BaseModel):
    """A copy for use, made from the master."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(
        ...,
        description="prores: ProRes 422 HQ in MOV with 24-bit PCM; h264, h265, av1 (SVT-AV1): MP4 that begins to play "
        "at once, with AAC; dpx, png: a folder of numbered images (10 to 16 bits a component, R'G'B') and sound.wav",
    )
    quality: int | None = Field(
        default=None,
        ge=0,
        le=63,
        description="CRF of h264, h265 (0 to 51) and av1 (0 to 63), lower is better; null: 18, 20 and 24. The other "
        "kinds have none",
    )

    @model_validator(mode="after")
    def _quality_is_of_the_kind(self) -> DerivativeConfig:
        if self.quality is None:
            return self
        if self.kind not in _WORST:
            raise ValueError(f"{self.kind} has no quality; leave it out ({', '.join(_WORST)} have one)")
        if self.quality > _WORST[self.kind]:
            raise ValueError(f"quality of {self.kind} is {self.quality}; it goes from 0 to {_WORST[self.kind]}")
        return self


class AssembleConfig(BaseModel):
    """Audio, chapters and tags are always copied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subtitles: bool = Field(
        default=True,
        description="copy subtitles; those that Matroska cannot hold are left out. Closed captions are kept as "
        "name.mcc, their text as a subtitle track",
    )
    attachments: bool = Field(default=True, description="copy attached files and cover pictures")
    framemd5: bool = Field(default=True, description="write an MD5 for every frame and audio packet beside the file")
    sha256: bool = Field(default=True, description="write the SHA-256 of all files of a video beside them")
    provenance: bool = Field(
        default=True,
        description="write what was done to a video beside it: name.provenance.json, and as PREMIS 3 name.premis.xml",
    )
    derivatives: tuple[DerivativeConfig, ...] = Field(
        default=(),
        description="copies for use, made from the master, each kind once: [{kind: prores}, {kind: h264, quality: 20}]",
    )
    bag: bool = Field(default=False, description="put all files of a video into a BagIt bag (RFC 8493), name.bag/")

    @field_validator("derivatives")
    @classmethod
    def _kinds_differ(cls, derivatives: tuple[DerivativeConfig, ...]) -> tuple[DerivativeConfig, ...]:
        kinds = [each.kind for each in derivatives]
        for kind in kinds:
            if kinds.count(kind) > 1:  # the second would be written over the first
                raise ValueError(f"each kind once, as files are named by their kind; {kind} is there twice")
        return derivatives
