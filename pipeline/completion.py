"""A published video gets the derivatives that could not be made with it; its master stays as it is.

All that is published of it is laid out in a folder as assemble left it, whatever is missing is made there, sidecars and
bag are written anew, and what differs from what is published is published (``Publisher.replace``).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.publish import SUFFIX, Publisher
from pipeline.rows import SourceRow
from pipeline.sidecars import BAG, renew_sidecars
from pipeline.storage import Storage
from stages.assemble.config import AssembleConfig
from stages.assemble.making_up import make_up


def complete(
    publisher: Publisher, before: Artifact, folder: Path, source: SourceRow, parameters: Mapping[str, Any]
) -> Artifact:
    """Try again to make what a published video lacks.

    Args:
        publisher: published it.
        before: its record; all its files are there and whole.
        folder: an empty one.
        source: what it was made from.
        parameters: the configuration of assemble.

    Returns:
        The record as it is now; ``before`` if nothing could be made this time either.

    Raises:
        FfmpegError: the machine fails, not the master.
        ItemError, StorageError: see ``Publisher.replace``.
    """
    name = PurePosixPath(source.output).name
    _lay_out(publisher.output, before, folder, source.output)
    facts = make_up(folder / f"{name}{SUFFIX}", AssembleConfig.model_validate(parameters), before.facts)
    if facts is None:
        return before
    renew_sidecars(folder, name, source, parameters, facts)
    return publisher.replace(before, folder, source.output, facts)


def _lay_out(output: Storage, record: Artifact, folder: Path, place: str) -> None:
    """Hard links to the published files, or copies, at their names in the folder; those of a bag without the bag."""
    for file in record.files:
        name = PurePosixPath(file.name).relative_to(PurePosixPath(place).parent)
        if name.parts[0] == f"{PurePosixPath(place).name}{BAG}":
            if name.parts[1] != "data":
                continue
            name = PurePosixPath(*name.parts[2:])
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not output.is_local:
            output.download(file.name, target)
            continue
        try:
            target.hardlink_to(output.path(file.name))
        except OSError:  # another file system, or one that has none
            shutil.copyfile(output.path(file.name), target)
