"""What all stages that run a network share: the model folder, the scale and the device."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.choices import Compilation

CanvasRule = Literal["published", "exact"]


class ModelSetting(BaseModel):
    """The model folder, the output's geometry and where the arithmetic runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path | None = Field(None, description="Model folder in diffusers' layout; null is the embedded model.")
    scale: float = Field(4.0, ge=1.0, le=8.0, description="Output size over input size, per side.")
    height: int | None = Field(
        None,
        ge=16,
        le=8640,
        description="Rows of the output as it is shown, instead of the scale; never fewer than the source's.",
    )
    canvas: CanvasRule = Field(
        "exact",
        description="How the working size is chosen: 'published' pads both sides by up to 32 and, at scale 4, enlarges "
        "to at least 512 pixels on the short side; 'exact' enlarges by the scale alone and pads only what the networks "
        "need.",
    )
    seed: int = Field(42, ge=0, lt=2**63, description="Seed of every noise field, with video, frame and step.")
    device: str = Field("auto", description="torch device, or 'auto': the first GPU, else the CPU.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Precision of the networks' weights and activations."
    )
    compile: Compilation = Field("off", description="How torch compiles the networks of sample and decode.")
    winograd: bool = Field(True, description="On CPUs, whether 3x3 and 7x7 convolutions take fewer multiplications.")
    threads: int = Field(
        2,
        ge=1,
        le=256,
        description="Threads of torch and OpenCV a worker; fixed, so that bytes do not depend on the pools.",
    )
