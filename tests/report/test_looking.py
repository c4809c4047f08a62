"""What the report says of published files that it cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cheap_stages import cheap_stages
from whole_jobs import write_clip

from pipeline.config import load_config
from pipeline.run import run
from report.build import build_report


@pytest.mark.parametrize("name", ["one.framemd5", "one.mkv"])
def test_the_file_that_is_missing_is_named_with_what_puts_it_back(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / "library" / "one.mkv", frames=4)
    config = load_config()
    places = [tmp_path / "library"], tmp_path / "restored", tmp_path / "run"
    assert run(config, *places, stages=cheap_stages(config, scale=2)).ok
    (tmp_path / "restored" / name).unlink()
    (problem,) = build_report(tmp_path / "run").problems
    assert problem == (
        "one",
        f"{name} is not in {tmp_path}/restored any more; run restore again, which makes what is missing",
    )
    (page,) = (tmp_path / "run" / "report" / "videos").glob("one-*.html")
    # The pictures need the video alone.
    assert ("data:image" in page.read_text()) == (name == "one.framemd5")
    assert run(config, *places, stages=cheap_stages(config, scale=2)).ok
    assert build_report(tmp_path / "run").problems == ()
