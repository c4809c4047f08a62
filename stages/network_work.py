"""The work of a stage that runs networks: what is imported, with torch, when the stage is set up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from pydantic import BaseModel

from models.folder import ModelFolder
from stages.contract import Result
from stages.device import prepare_device
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

    @abstractmethod
    def run(self, task: ChunkTask) -> Result:
        """See ``Stage.run``."""
