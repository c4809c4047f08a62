"""Empty sections for stages whose configuration is not there yet."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AssembleConfig(BaseModel):
    """How segments are joined and published."""

    model_config = ConfigDict(extra="forbid", frozen=True)
