"""Processes of this machine, as Linux tells of them."""

from __future__ import annotations

from pathlib import Path


def children(parents: set[int]) -> list[int]:
    """The numbers of the processes that these have started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) in parents:
                found.append(int(place.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def title(process: int) -> str:
    """The command line of a process; Ray writes there what a worker does. "" if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
