"""A look at a source that goes wrong where the name asks for it; importable by spawned processes."""

from __future__ import annotations

import errno
import os
import time

from pipeline.planning.probe import Probe
from pipeline.rows import SourceRow
from stages.split.config import SplitConfig


def crashing_probe(row: SourceRow, config: SplitConfig, quick: bool) -> Probe:
    """Die on "crash", fail on "offline", find of everything else which process looked at it."""
    if "crash" in row.shown:
        os._exit(139)
    if "offline" in row.shown:
        raise OSError(errno.EIO, "the network is down")
    time.sleep(0.1)  # so that others wait when a process is lost
    return Probe(row.shown, row.output, row.size, frames=1, chunks=(1,), trouble={"process": str(os.getpid())})
