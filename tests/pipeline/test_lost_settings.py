"""``run.yaml`` of a workspace is lost, says too little, or another version wrote it: one line says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.again import told
from pipeline.config import ConfigError
from pipeline.report import RunReport
from pipeline.storage import StorageError
from pipeline.verify import verify
from report.build import build_report

ASKING = {
    "retry": lambda place: told(str(place)),
    "verify": lambda place: list(verify(place)),
    "report": lambda place: build_report(place),
}


@pytest.mark.parametrize("command", ASKING)
@pytest.mark.parametrize("content", [None, "", "[a]\n", "seed: 3\n"])
def test_settings_that_are_lost_are_written_by_the_same_line(
    restore: Callable[..., RunReport], tmp_path: Path, command: str, content: str | None
) -> None:
    restore()
    file = tmp_path / "workspace" / "run.yaml"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(StorageError) as caught:
        ASKING[command](tmp_path / "workspace")
    what = "is missing" if content is None else "does not say where inputs and output are"
    assert str(caught.value) == f"{file} {what}; give the line of restore again, which writes it"
    file.unlink(missing_ok=True)
    assert restore().count("reused") == 3
    told(str(tmp_path / "workspace"))


def test_settings_of_another_version_are_named_with_their_file(
    restore: Callable[..., RunReport], tmp_path: Path
) -> None:
    restore()
    file = tmp_path / "workspace" / "run.yaml"
    own = file.read_text()
    file.write_text(f"{own}sparkle: 3\n")
    with pytest.raises(ConfigError) as caught:
        told(str(tmp_path / "workspace"))
    assert str(caught.value).startswith(f"{file}: sparkle is not a setting")
    assert str(caught.value).endswith("; it was written by another version of Reelift, perhaps: use that one")
    file.write_text(own)
    with pytest.raises(ConfigError, match=r"^--set sead=3: sead is not a setting \(did you mean seed\?\)"):
        told(str(tmp_path / "workspace"), ["sead=3"])
