"""Calls that cannot be measured end in one line that says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks import architecture, presets, sampler, throughput


@pytest.mark.parametrize(
    ("parse", "arguments", "told"),
    [
        (presets.parse, ["--tile", "3"], "--tile 3: must be at least 8"),
        (sampler.parse, ["--model", "/nowhere"], "--model /nowhere: no model folder"),
        (sampler.parse, ["--height", "7", "--width", "90"], "90x7: must be at least 64 pixels a side"),
        (sampler.parse, ["--frames", "3"], "--frames 3: must be whole windows of 5"),
        (throughput.parse, ["--source", "/nowhere.mkv"], "--source /nowhere.mkv: no such file"),
    ],
)
def test_a_wrong_call_is_told(
    parse: Callable[[Sequence[str]], Any], arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert told in capsys.readouterr().err


def test_data_that_was_not_prepared_is_told() -> None:
    with pytest.raises(SystemExit, match="architecture: /nowhere: not a prepared folder"):
        architecture.main(["--data", "/nowhere"])
