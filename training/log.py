"""What a training stage writes while it runs: a line of losses for every step, and pictures for TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Pictures = Callable[[], Mapping[str, Tensor]]
"""Makes pictures to look at: name -> frames [n, 3, H, W] in [-1, 1], shown side by side."""


class TrainingLog:
    """``log.jsonl`` in the stage's folder, and below ``tensorboard/`` the same and pictures, where it is installed.

    Args:
        folder: the stage's folder.
        step: the last step that counts: those after it, logged before an interruption, are taken back.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder, self.step = folder, step
        self._board: Any = None
        self._take_back()

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        """Append the losses of one step."""
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, **values}) + "\n")
        if board := self._writer():
            for name, value in values.items():
                board.add_scalar(name, value, step)

    def pictures(self, step: int, make: Pictures) -> None:
        """Make and keep the pictures of one step; without TensorBoard none are made."""
        if not (board := self._writer()):
            return
        with torch.no_grad():
            for name, frames in make().items():
                strip = torch.cat(list(((frames + 1) / 2).clamp(0, 1)), dim=-1)
                board.add_image(name, strip.float().cpu(), step)

    def close(self) -> None:
        """Write what is still held back."""
        if self._board:
            self._board.close()
        self._board = None

    def _take_back(self) -> None:
        log = self.folder / "log.jsonl"
        if not log.exists():
            return
        lines = log.read_text().splitlines(keepends=True)
        kept = [line for line in lines if _step_of(line) <= self.step]
        if len(kept) < len(lines):
            draft = log.with_suffix(".draft")
            draft.write_text("".join(kept))
            draft.replace(log)

    def _writer(self) -> Any:
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # a machine with torch alone
                self._board = False
            else:
                self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step + 1)
        return self._board


def _step_of(line: str) -> float:
    """The step of a line of the log; infinity where the line broke off."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
