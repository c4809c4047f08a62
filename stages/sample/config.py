"""Configuration of the sample stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.choices import Solver
from models.latent_size import LEAST_LATENT_WIDTH
from models.noise_levels import first_index, most_steps

USUAL_BATCH = 4
LEAST_PIXEL_TILE = 8 * LEAST_LATENT_WIDTH


class GuidanceConfig(BaseModel):
    """Motion guidance of the latents after each denoising step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["none", "published", "corrected"] = Field(
        "corrected",
        description="'published' repeats the original's index shifts inside each window of frames; 'corrected' "
        "compares every frame with its true neighbours over the whole chunk and counts visible pixels only.",
    )
    scale: float = Field(
        0.1,
        description="Strength. Published: factor of the log variance (-10), which is below 0: more than 0 would drive "
        "frames apart. Corrected: length of a step, in units of the latents, at least 0; more than a quarter of "
        "softness makes small differences grow.",
    )
    weighting: Literal["variance", "constant"] = Field(
        "constant", description="Corrected: scale the step by the posterior's variance, or not."
    )
    softness: float = Field(
        0.8, ge=0.0, description="Corrected: differences below this count quadratically, in units of the latents."
    )
    target: Literal["latents", "clean"] = Field(
        "clean", description="Corrected: guide the noisy latents after a step, or the clean ones predicted within it."
    )
    begin: float = Field(0.0, ge=0.0, le=1.0, description="Share of the steps before guidance begins.")
    end: float = Field(1.0, ge=0.0, le=1.0, description="Share of the steps after which guidance ends.")

    @model_validator(mode="after")
    def _towards_each_other(self) -> GuidanceConfig:
        if self.form == "published" and self.scale > 0:
            raise ValueError(f"scale ({self.scale:g}) must be at most 0 with form published, whose own is -10")
        if self.form == "corrected" and self.scale < 0:
            raise ValueError(f"scale ({self.scale:g}) must be at least 0 with form corrected, like 0.1")
        if self.begin >= self.end:
            raise ValueError(f"begin ({self.begin:g}) must be less than end ({self.end:g}); form none guides no step")
        return self


class SampleConfig(BaseModel):
    """How latents are made from the frames of a chunk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    initial_estimate: Literal["recurrent", "bicubic"] = Field(
        "recurrent", description="First guess at output size: the recurrent network (BasicVSR), or bicubic enlargement."
    )
    sample_posterior: bool = Field(
        False, description="Encode by a random draw of the posterior, as published, rather than by its mean."
    )
    encode_tile: int | None = Field(
        None,
        ge=8,
        description="Largest side in latent pixels of what is encoded at once; see decode.tile. With pixel tiles, of "
        "each of them.",
    )
    steps: int = Field(
        3,
        ge=1,
        le=1000,
        description="Denoising steps, no more than there are noise levels up to start: of 1000, start has its share.",
    )
    start: float = Field(
        0.3, gt=0.0, le=1.0, description="Noise level to start from: 1 is all of the schedule, as published."
    )
    solver: Solver = Field(
        "ddim",
        description="'ddpm' and 'sde-dpmsolver++' draw noise at every step, 'ddim', 'dpmsolver++' and 'unipc' none. "
        "Those of higher order ('dpmsolver++', 'unipc') need fewer steps.",
    )
    window_overlap: int = Field(0, ge=0, le=4, description="Frames shared by neighbouring windows of a chunk.")
    last_window: Literal["shift", "repeat"] = Field(
        "shift",
        description="A chunk that is no multiple of the window: shift the last window back, or repeat the last frame, "
        "as published.",
    )
    tile: int | None = Field(
        None, ge=8, description="Side of a square tile in latent pixels; null is the whole canvas."
    )
    tile_overlap: int = Field(0, ge=0, description="Overlap of neighbouring tiles in latent pixels.")
    tile_shift: int = Field(
        0, ge=0, description="Move the tiles by this much in every other step, instead of letting them overlap."
    )
    pixel_tile: int | None = Field(
        None,
        ge=LEAST_PIXEL_TILE,
        multiple_of=8,
        description="Cut a canvas with a side longer than this, in pixels, into tiles that are encoded, sampled, "
        "decoded and colour-corrected each by itself, as published with 960; a multiple of 8; null never cuts.",
    )
    pixel_stride: int = Field(
        750, ge=16, description="From one pixel tile to the next; where they overlap, restored frames are averaged."
    )
    noise: Literal["frame", "restarted"] = Field(
        "frame",
        description="'frame': every frame has noise of its own; 'restarted': where there are pixel tiles, all windows "
        "have the same noise, as published. Pixel tiles share it in any case.",
    )
    estimate_memory: float = Field(
        4.0,
        gt=0.0,
        description="GiB for the hidden features of a recurrent estimate; where a chunk's take more, most are computed "
        "twice. Changes no byte.",
    )
    reuse_steps: int = Field(
        1,
        ge=1,
        le=10,
        description="The UNet's deep features serve so many steps: 1 computes them in each, 2 in every other. The "
        "structure condition is that of every step. Tiles that shift stay for as long.",
    )
    reuse_skips: int = Field(
        1, ge=1, le=11, description="With reuse_steps: the shallowest skip connections, computed anew in every step."
    )
    batch: int | None = Field(
        USUAL_BATCH,
        ge=1,
        description="Windows (or windows times tiles) per network call, of which each thread of a CPU makes one; "
        "null takes as many as half of the free memory has room for, found anew by every worker: results then differ "
        "by rounding between machines.",
    )
    guidance: GuidanceConfig = Field(GuidanceConfig(), description="Motion guidance.")

    @model_validator(mode="after")
    def _steps_fit(self) -> SampleConfig:
        most = most_steps(self.solver, first_index(self.start))
        if self.steps > most:
            raise ValueError(
                f"steps ({self.steps}) are more than the {most} that start ({self.start:g}) leaves room for with "
                f"{self.solver}: lower steps or raise start"
            )
        return self

    @model_validator(mode="after")
    def _tiles_fit(self) -> SampleConfig:
        if self.tile is not None and max(self.tile_overlap, self.tile_shift) >= self.tile:
            raise ValueError(f"tile_overlap and tile_shift must be smaller than tile ({self.tile})")
        if self.tile_overlap and self.tile_shift:
            raise ValueError("tiles that shift do not overlap: set tile_overlap or tile_shift to 0")
        if self.reuse_steps > 1 and self.guidance.form == "published":
            raise ValueError("the published way computes all features in every step: leave reuse_steps at 1")
        if self.pixel_tile is not None and self.pixel_stride > self.pixel_tile:
            raise ValueError(f"pixel_stride ({self.pixel_stride}) leaves gaps between tiles of {self.pixel_tile}")
        return self
