"""What goes into the finished file, and beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["prores", "h264", "h265", "av1", "dpx", "png"]


class DerivativeConfig(BaseModel):
    """A copy for use, made from the master."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(
        ...,
        description="prores: ProRes 422 HQ in MOV with 24-bit PCM; h264, h265, av1 (SVT-AV1): MP4 that begins to play "
        "at once, with AAC; dpx, png: a folder of numbered images (10 to 16 bits a component, R'G'B') and sound.wav",
    )
    quality: int | None = Field(
        default=None, ge=0, le=63, description="CRF of h264, h265 and av1, lower is better; null: 18, 20 and 24"
    )


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
        default=(), description="copies for use, made from the master: [{kind: prores}, {kind: h264, quality: 20}]"
    )
    bag: bool = Field(default=False, description="put all files of a video into a BagIt bag (RFC 8493), name.bag/")
