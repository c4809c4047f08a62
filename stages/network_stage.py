"""A stage that runs networks, as its driver knows it: named, sized and checked, with nothing loaded."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from models.folder import ModelFolder
from models.importing import import_diffusers
from stages.contract import Result, Stage
from stages.items import ChunkTask
from stages.setting import ModelSetting

if TYPE_CHECKING:
    from stages.network_work import NetworkWork

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class NetworkStage(Stage[ChunkTask, Result], Generic[ConfigT]):
    """A stage of which all but the work itself is known without torch, whose import takes seconds.

    So a driver starts at once, and a run that finds everything done never loads it.

    Args:
        config: the stage's own settings.
        setting: what it shares with the others.
    """

    def __init__(self, config: ConfigT, setting: ModelSetting) -> None:
        self.config, self.setting = config, setting
        self.folder = ModelFolder(setting.model)
        self._work: NetworkWork[Any] | None = None

    def check(self, here: bool) -> None:
        """See ``Stage.check``."""
        self._check_folder()
        # A CPU that nothing is compiled for is there without asking torch.
        if here and (self.setting.device not in ("auto", "cpu") or self.setting.compile != "off"):
            from stages.device import check_here

            check_here(self.setting)

    def setup(self) -> None:
        """Load the networks."""
        self._work = self._load()

    def run(self, task: ChunkTask) -> Result:
        """See ``Stage.run``."""
        assert self._work is not None, "setup() comes before run()"
        return self._work.run(task)

    def teardown(self) -> None:
        """Let the networks go."""
        self._work = None

    @abstractmethod
    def _check_folder(self) -> None:
        """Make sure that the model folder has what ``_load`` will load."""

    @abstractmethod
    def _load(self) -> NetworkWork[ConfigT]:
        """Import what does the work, and load its networks."""


def import_networks(setting: ModelSetting) -> None:
    """Import what networks need, before a stage's work is imported: the compiler only where it is wanted."""
    if setting.compile == "off":
        import_diffusers()
