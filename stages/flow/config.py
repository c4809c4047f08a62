"""Configuration of the flow stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FlowConfig(BaseModel):
    """How motion between neighbouring frames is estimated, and where it is not believed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    estimator: Literal["raft", "spynet", "dis"] = Field(
        "spynet", description="Flow estimator: RAFT or SPyNet (weights in the model folder's flow/), or OpenCV's DIS."
    )
    reduction: int = Field(
        4,
        ge=1,
        le=16,
        description="Flow is estimated on the enlarged frame reduced by this factor, but no further than back to the "
        "source's size (published canvases: by this factor in any case).",
    )
    occlusion_relative: float = Field(
        0.01,
        ge=0.0,
        description="Forward-backward mismatch allowed, as a part of both flows' lengths (golden README, section 6).",
    )
    occlusion_absolute: float = Field(
        0.5, ge=0.0, description="Forward-backward mismatch allowed in any case, in latent pixels."
    )
