"""Assemble: cross-fade and join a video's segments, add everything else of the source, and check the result."""

from stages.assemble.config import AssembleConfig
from stages.assemble.stage import AssembleStage

__all__ = ["AssembleConfig", "AssembleStage"]
