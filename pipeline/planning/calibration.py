"""Seconds and bytes per frame, as a real run took them (``reading_off``).

A calibration is good for the settings and the device that it was measured with, and says so.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import nnls

from pipeline.config import RunConfig
from pipeline.fingerprint import STAGES, Recipe, canonical_json
from stages.media.table import FrameTable


class CalibrationError(Exception):
    """There is no calibration, or none that fits. One line."""


class Measurement(BaseModel):
    """What one stage took for frames of one size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str = Field(..., description="name of the stage")
    pixels: int = Field(..., gt=0, description="of a frame: of the source for split, of the working canvas for others")
    frames: int = Field(..., gt=0, description="frames measured, those in overlaps counted as often as they are made")
    seconds: float = Field(..., ge=0, description="one worker's time for them")
    bytes: int = Field(..., ge=0, description="size of what was written for them")


class Calibration(BaseModel):
    """A calibration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(..., description="what networks run on where the run was read off")
    gpu: bool = Field(..., description="whether that is a GPU")
    measured: str = Field(..., description="date")
    workspace: str = Field(..., description="the run that it was read off")
    nodes: tuple[str, ...] = Field((), description="names of the machines that the networks ran on")
    settings: dict[str, str] = Field(..., description="stage -> digest of its parameters and weights")
    measurements: tuple[Measurement, ...] = Field(..., description="what was measured")

    def unfit(self, recipe: Recipe) -> list[str]:
        """Return the stages that would run with other settings than were measured."""
        now = settings_of(recipe)
        return [stage for stage in STAGES if self.settings.get(stage) != now[stage]]

    def predict(self, stage: str, what: str, pixels: int, frames: float) -> float:
        """Return the seconds or bytes (``what``) that a stage takes for so many frames of so many pixels.

        A frame costs a part that is the same for all and a part for each pixel, fitted to what was measured (least
        squares, neither negative); where one size was measured, all is taken as cost of the pixels.
        """
        mine = [each for each in self.measurements if each.stage == stage]
        if not mine:
            raise CalibrationError(f"the calibration has nothing about {stage}; calibrate again")
        weights = np.sqrt([each.frames for each in mine])
        per_frame = np.array([getattr(each, what) / each.frames for each in mine])
        sizes = np.array([each.pixels for each in mine], float)
        scale = sizes.max()
        columns = [sizes / scale] if len(set(sizes)) == 1 else [sizes / scale, np.ones_like(sizes)]
        parts, _ = nnls(np.stack(columns, axis=1) * weights[:, None], per_frame * weights)
        return float(frames * (parts[0] * pixels / scale + (parts[1] if len(parts) > 1 else 0.0)))


def settings_of(recipe: Recipe) -> dict[str, str]:
    """Return stage -> digest of what decides its arithmetic."""
    return {
        stage: hashlib.sha256(canonical_json([identity.parameters, identity.weights])).hexdigest()
        for stage, identity in recipe.identities.items()
    }


def load(path: str | Path) -> Calibration:
    """Return a calibration file.

    Raises:
        CalibrationError: if there is none or it is not one.
    """
    try:
        return Calibration.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise CalibrationError(f"{path}: no such file; 'reelift calibrate --output {path}' makes it") from None
    except (OSError, ValidationError, ValueError):
        raise CalibrationError(f"{path}: not a calibration; 'reelift calibrate --output {path}' makes one") from None


def canvas_pixels(width: int, height: int, config: RunConfig) -> int:
    """Return the pixels of the canvas on which frames of a size are restored."""
    from models.folder import ModelFolder
    from stages.geometry import canvas_of

    facts = {"first": 0, "time_base": "1/25", "pts": (0,), "durations": (1,), "width": width, "height": height}
    facts |= {"pix_fmt": "yuv420p", "rate": "25", "colour": {"matrix": 1, "range": 1}}
    table = FrameTable.model_validate(facts)
    rows, columns = canvas_of(table, config.setting, ModelFolder(config.model)).padded
    return rows * columns
