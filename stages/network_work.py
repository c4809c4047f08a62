"""The work of a stage that runs networks: what is imported, with torch, when the stage is set up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from pydantic import BaseModel

from models.folder import ModelFolder
from models.memory import halved_sizes
from stages.contract import Fact, Result
from stages.device import device_name, prepare_device
from stages.items import ChunkTask
from stages.setting import ModelSetting

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class NetworkWork(ABC, Generic[ConfigT]):
    """A stage's networks on their device, and what is done with them.

    Args:
        config: the stage's settings.
        setting: what it shares with other stages.

    Raises:
        FileNotFoundError, ValueError: a network, or the device, is not there.
    """

    def __init__(self, config: ConfigT, setting: ModelSetting) -> None:
        self.config, self.setting = config, setting
        self.folder = ModelFolder(setting.model)
        self.device, self.dtype = prepare_device(setting)
        self._load()

    @abstractmethod
    def _load(self) -> None:
        """Load the networks."""

    def run(self, task: ChunkTask) -> Result:
        """See ``Stage.run``. The facts also tell what else may change the last digits.

        ``device``: what the networks ran on, "cpu" or the GPU's name; ``threads`` of torch, and its version, ``torch``;
        ``reduced``: which sizes were halved for want of memory, and to what.
        """
        with halved_sizes() as halved:
            facts: dict[str, Fact] = {
                **self.work_on(task),
                "device": device_name(self.device),
                "threads": self.setting.threads,
                "torch": str(torch.__version__),
            }
        if halved:
            facts["reduced"] = ", ".join(f"{what}: {size}" for what, size in sorted(halved.items()))
        return Result(facts)

    @abstractmethod
    def work_on(self, task: ChunkTask) -> Mapping[str, Fact]:
        """Do what is to be done with the chunk; return the facts that are the stage's own."""
