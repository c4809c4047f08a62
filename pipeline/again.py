"""A workspace taken up again by its name alone: what it was told, and which of its videos failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config import ConfigError, RunConfig, load_config
from pipeline.searching import InputError
from pipeline.status import fold, standing_failures
from pipeline.storage import Storage
from pipeline.tally import Failure
from pipeline.workspace import RECORD, RUN, Workspace


@dataclass(frozen=True, slots=True)
class Told:
    """What a workspace was told when it was last run: settings, and where from and to."""

    config: RunConfig
    inputs: list[str]
    output: str


def told(workspace: str, overrides: Sequence[str] = ()) -> Told:
    """Read ``run.yaml``.

    Args:
        workspace: folder or URL.
        overrides: ``key=value`` on top of the recorded settings.

    Raises:
        StorageError: if there is no workspace, or its record is damaged.
        ConfigError: if the settings, with the overrides, cannot be used.
    """
    place = Workspace(workspace)
    settings = place.told()
    values: dict[str, Any] = {name: value for name, value in settings.items() if name not in RECORD}
    try:
        load_config(values)
    except ConfigError as error:
        why = str(error).removeprefix("configuration: ")
        raise ConfigError(
            f"{place.url}/{RUN}: {why}; it was written by another version of Reelift, perhaps: use that one"
        ) from error
    return Told(load_config(values, overrides), list(settings["inputs"]), str(settings["output"]))


def failed(storage: Storage, video: str = "", stage: str = "") -> dict[str, list[Failure]]:
    """Return source -> failures that stand, of sources that cannot be published because of them.

    Args:
        storage: the workspace.
        video: only this one: its source as the manifest names it, the end of that path, or its identity.
        stage: only failures at this stage.

    Raises:
        InputError: if no source is named ``video``.
    """
    folded = fold(storage)
    if video and not any(video == facts.video or is_named(name, video) for name, facts in folded.sources.items()):
        raise InputError(f"no video of this run is called {video}; name one as 'reelift status' does")
    found: dict[str, list[Failure]] = defaultdict(list)
    for failure, concerned in standing_failures(folded.tally, folded.sources):
        for source in concerned if stage in ("", failure.stage) else ():
            if not video or video == failure.video or is_named(source, video):
                found[source].append(failure)
    return dict(found)


def is_named(source: str, name: str) -> bool:
    """Whether ``name`` is the source, or the end of its path, with or without suffix."""
    if source == name or source.endswith(f"/{name.lstrip('/')}"):
        return True
    folder, slash, file = source.rpartition("/")
    return f"/{folder}{slash}{file.rpartition('.')[0]}".endswith(f"/{name.lstrip('/')}")
