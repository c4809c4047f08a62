"""The files beside a restored video: its account, SHA-256 sums, and the bag around all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.fixity import describe
from pipeline.premis import premis
from pipeline.provenance import Making, account, write_account
from pipeline.sums import sums_row

SUMS = ".sha256"
PROVENANCE = ".provenance.json"
PREMIS = ".premis.xml"
BAG = ".bag"


def write_sidecars(folder: Path, name: str, making: Making) -> None:
    """Write what the configuration of assemble asks for into ``folder``, which holds the video and its derivatives.

    The sums come last: they cover everything else.
    """
    wanted = making.recipe.identities["assemble"].parameters
    if wanted.get("provenance"):
        told = account(replace(making, files=describe(folder)))
        write_account(folder / f"{name}{PROVENANCE}", told, making)
        (folder / f"{name}{PREMIS}").write_bytes(premis(told))
    if wanted.get("sha256"):
        rows = [sums_row(file.sha256, file.name) for file in describe(folder)]
        (folder / f"{name}{SUMS}").write_text("".join(rows), encoding="utf-8")
    if wanted.get("bag"):
        _make_bag(folder, name, making)


def _make_bag(folder: Path, name: str, making: Making) -> None:
    """Turn the folder into one that holds a bag: ``name.bag/`` with ``data/``."""
    import bagit

    bag = folder / f"{name}{BAG}"
    inside = list(folder.iterdir())
    bag.mkdir()
    for each in inside:
        each.rename(bag / each.name)
    facts: dict[str, Any] = {
        "External-Identifier": making.source.sha256,
        "External-Description": f"Machine-restored derivative of {Path(making.source.shown).name}",
        "Internal-Sender-Identifier": making.source.output,
    }
    bagit.make_bag(str(bag), facts, checksums=["sha256"])
