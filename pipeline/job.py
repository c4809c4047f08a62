"""What every worker of a run has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.fingerprint import Recipe


@dataclass(frozen=True, slots=True)
class Job:
    """One run, as its workers see it.

    Attributes:
        workspace: URL of the workspace.
        output: URL of the output folder.
        epoch: the driver's epoch.
        recipe: names of all artifacts.
        attempts: how often an item is tried.
        verify: how artifacts are checked before they are believed.
        scratch: folder for temporary files, None for the default.
        threads: torch threads per worker; fixed, so that bytes do not depend on the size of the pools.
        ahead: chunks that split may be ahead of decode on Ray; None: eight per worker.
        keep_artifacts: whether the artifacts of published videos stay.
        scratch_bytes: space for artifacts of videos that are not published yet, on Ray; None: no bound.
        timeouts: stage -> seconds that an attempt may take before it is ended, with its process; where nothing is said,
            as long as it wants.
    """

    workspace: str
    output: str
    epoch: int
    recipe: Recipe
    attempts: int = 3
    verify: Literal["full", "size"] = "full"
    scratch: str | None = None
    threads: int = 1
    ahead: int | None = None
    keep_artifacts: bool = True
    scratch_bytes: int | None = None
    timeouts: Mapping[str, float | None] = field(default_factory=dict)
