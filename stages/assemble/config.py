"""What goes into the finished file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AssembleConfig(BaseModel):
    """Audio, chapters and tags are always copied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subtitles: bool = Field(default=True, description="copy subtitles; those that Matroska cannot hold are left out")
    attachments: bool = Field(default=True, description="copy attached files and cover pictures")
    framemd5: bool = Field(default=True, description="write an MD5 for every frame and audio packet beside the file")
