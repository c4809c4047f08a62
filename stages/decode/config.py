"""Configuration of the decode stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DecodeConfig(BaseModel):
    """How latents become frames."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fusion_weight: float = Field(
        1.0,
        ge=0.0,
        le=2.0,
        description="Weight of the encoder's features in the decoder: in the full model, more is more faithful; the "
        "embedded one was trained at 1.",
    )
    back_projection: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="How much of the difference between source and result is put back, at the source's size or half "
        "of the result's, whichever is smaller: 1 makes the result, reduced to that, the source again.",
    )
    back_projection_if_clean: float = Field(
        0.4,
        ge=0.0,
        le=1.0,
        description="The same where the source is clean, so that the networks took next to nothing away but their own "
        "errors; less of it the more they did.",
    )
    even_places: Literal["source", "result"] = Field(
        "source",
        description="Where the source is one even colour over more than 32 pixels each way (black bars, faded frames), "
        "it has nothing to restore: 'source' gives it back as it is, 'result' leaves what the networks made of it.",
    )
    colour_fix: Literal["none", "adain", "wavelet"] = Field(
        "wavelet", description="Take colours from the input: its mean and deviation, or its low frequencies."
    )
    window_frames: int = Field(8, ge=1, le=64, description="Frames that the decoder's temporal layers see at once.")
    window_overlap: int = Field(2, ge=0, le=16, description="Frames shared, and cross-faded, by neighbouring windows.")
    last_window: Literal["shift", "repeat"] = Field(
        "shift", description="As for sampling: shift the last window back, or repeat the last frame, as published."
    )
    temporal_filter: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="Weight of the frames before and after, moved along the optical flow, in each decoded frame, where "
        "the input flickers or stands still (where it moves steadily, three tenths of it, half of that in a clean "
        "source): less flicker, and a little softer. 0 leaves frames as they were decoded.",
    )
    filter_flow: Literal["source", "result"] = Field(
        "result",
        description="The optical flow that it moves them along: 'source' is that of the flow stage; 'result' is found "
        "anew between decoded frames, by OpenCV's dense inverse search on the CPU: what damages the source does not "
        "move it about.",
    )
    tile: int | None = Field(
        None,
        ge=8,
        description="Largest side in latent pixels of what is decoded at once, where a canvas does not fit in memory; "
        "null decodes all of it at once. The picture is the same: tiles leave no trace.",
    )
    tile_memory: Literal["less", "least"] = Field(
        "less",
        description="With tiles: 'less' halves the memory for a quarter more work, 'least' takes a third of it, "
        "for two and a half times the work.",
    )
    rounding: Literal["nearest", "truncate8"] = Field(
        "nearest",
        description="'truncate8' cuts R'G'B' down to 8-bit values, as published, and keeps those in the "
        "deeper output; 'nearest' rounds at the output's depth.",
    )

    @model_validator(mode="after")
    def _windows_advance(self) -> DecodeConfig:
        if self.window_overlap >= self.window_frames:
            raise ValueError(
                f"window_overlap ({self.window_overlap}) must be smaller than window_frames ({self.window_frames})"
            )
        if self.window_overlap and self.last_window == "repeat":
            raise ValueError(
                f"windows do not overlap with last_window repeat: set window_overlap ({self.window_overlap}) to 0"
            )
        return self
