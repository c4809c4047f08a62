"""The account of a restored video, told anew when its video has got more files; the rest of it stays as it was told."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pipeline.fixity import ArtifactFile
from pipeline.provenance import CHUNKS, moment, result
from stages.contract import Fact


def amend_account(before: Path, path: Path, files: Sequence[ArtifactFile], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Write an account with other files and facts; what it says of chunks and shots is copied, a piece at a time.

    Args:
        before: the account, as ``provenance.write_account`` wrote it.
        path: the new one.
        files: what is published, accounts and sums aside.
        facts: what assemble has to say now.

    Returns:
        The new account without chunks and shots.

    Raises:
        ValueError: if ``before`` is no account.
    """
    with before.open(encoding="utf-8") as given, path.open("w", encoding="utf-8") as written:
        told, line = read_head(given)
        told["result"] = result(files, facts)
        told["made"]["completed"] = moment(time.time())
        written.write(json.dumps(told, indent=1, ensure_ascii=False).removesuffix("\n}") + ",\n" + line)
        shutil.copyfileobj(given, written)
    return told


def read_head(file: TextIO) -> tuple[dict[str, Any], str]:
    """Read an account up to what it says of chunks.

    Returns:
        The account without chunks and shots, and the line after which it tells of chunks.

    Raises:
        ValueError: if it is no account.
    """
    head, line = "", ""
    while not (line := file.readline()).startswith(CHUNKS):
        if not line:
            raise ValueError(f"{Path(file.name).name}: not an account that can be amended")
        head += line
    told: dict[str, Any] = json.loads(head.rstrip().removesuffix(",") + "}")
    return told, line
