"""Split: survey a video, decode it, find its cuts, and write its chunks' frames losslessly."""

from stages.split.config import SplitConfig
from stages.split.plan import ChunkPlanner, plan_video
from stages.split.stage import SplitStage

__all__ = ["ChunkPlanner", "SplitConfig", "SplitStage", "plan_video"]
