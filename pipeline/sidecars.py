"""The files beside a restored video: its account, SHA-256 sums, and the bag around all of them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.amending import amend_account
from pipeline.fixity import describe
from pipeline.premis import premis
from pipeline.provenance import Making, account, write_account
from pipeline.rows import SourceRow
from pipeline.sums import sums_row
from stages.contract import Fact, ItemError

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
    _seal(folder, name, making.source, wanted)


def renew_sidecars(
    folder: Path, name: str, source: SourceRow, wanted: Mapping[str, Any], facts: Mapping[str, Fact]
) -> None:
    """Write the sidecars of a video anew that has got more derivatives; what else they say stays.

    Args:
        folder: holds the video, its derivatives and the sidecars of before, without a bag.
        name: of the video.
        source: what it was made from.
        wanted: the configuration of assemble.
        facts: what assemble has to say now.
    """
    with tempfile.TemporaryDirectory() as aside:
        account_before = Path(aside) / f"{name}{PROVENANCE}"
        if wanted.get("provenance"):
            shutil.copyfile(folder / account_before.name, account_before)
        for kind in (PROVENANCE, PREMIS, SUMS):  # may be links to what is published
            (folder / f"{name}{kind}").unlink(missing_ok=True)
        if wanted.get("provenance"):
            told = amend_account(account_before, folder / account_before.name, describe(folder), facts)
            (folder / f"{name}{PREMIS}").write_bytes(premis(told))
    _seal(folder, name, source, wanted)


def _seal(folder: Path, name: str, source: SourceRow, wanted: Mapping[str, Any]) -> None:
    if wanted.get("sha256"):
        rows = [sums_row(file.sha256, file.name) for file in describe(folder)]
        (folder / f"{name}{SUMS}").write_text("".join(rows), encoding="utf-8")
    if wanted.get("bag"):
        _make_bag(folder, name, source)


def require_bag_name(source: SourceRow, wanted: Mapping[str, Any]) -> None:
    """See that a video's name can stand in a bag, if the configuration of assemble asks for one.

    Raises:
        ItemError: if it holds what manifests of bags have for a line break; they know no other spelling of it.
    """
    if wanted.get("bag") and re.search("%0[AD]", PurePosixPath(source.output).name, re.IGNORECASE):
        raise ItemError(
            f"{source.shown}: %0A and %0D in a name mean line breaks in a BagIt bag; rename it, or set assemble.bag to "
            "false"
        )


def _make_bag(folder: Path, name: str, source: SourceRow) -> None:
    """Turn the folder into one that holds a bag: ``name.bag/`` with ``data/``."""
    import bagit

    bag = folder / f"{name}{BAG}"
    inside = list(folder.iterdir())
    bag.mkdir()
    for each in inside:
        each.rename(bag / each.name)
    facts: dict[str, Any] = {
        "External-Identifier": source.sha256,
        "External-Description": f"Machine-restored derivative of {Path(source.shown).name}",
        "Internal-Sender-Identifier": source.output,
    }
    bagit.make_bag(str(bag), facts, checksums=["sha256"])
