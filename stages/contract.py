"""The contract between a stage and whoever runs it.

A stage is a plain class: ``setup()`` once per worker, ``run(task)`` once per item, ``teardown()`` at the end. It reads
its inputs from the folders named in the task, writes files into ``task.output`` and returns small facts. It knows
nothing of retries, manifests, object stores or Ray; one wrapper in ``pipeline`` supplies those.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

Fact = str | int | float | bool
"""A small value worth a place in the manifest, never pixels."""


class ItemError(Exception):
    """This item cannot be processed, and trying again would not help.

    The message is one line for people: it names the file or frame, what is wrong and what to do.
    """


class Stage(ABC, Generic[TaskT, ResultT]):
    """One step of a chunk's way through the pipeline."""

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    """Raised by whoever changes the code so that other bytes are written for the same inputs, settings and weights."""

    def check(self, here: bool) -> None:
        """Raise what ``setup`` would raise, as far as that is known without loading anything. Called by the driver.

        Args:
            here: whether the stage will be set up on this machine.
        """

    def setup(self) -> None:
        """Load what is needed for every item (weights, say). Called once per worker, before the first ``run``."""

    @abstractmethod
    def run(self, task: TaskT) -> ResultT:
        """Process one item: read ``task``'s inputs, write into its output folder, return the facts."""

    def teardown(self) -> None:
        """Give back what ``setup`` took."""

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Everything besides the inputs and the weights that decides the output's bytes; JSON-compatible."""

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights this stage uses, or "" if it has none. Known before ``setup``."""
        return ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage has to say about a finished item."""

    facts: Mapping[str, Fact] = field(default_factory=dict)
