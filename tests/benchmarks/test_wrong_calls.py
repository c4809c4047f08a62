"""Calls that cannot be measured end in one line that says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks import architecture, presets, sampler, throughput


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "/nowhere"], "model folder /nowhere: no unet/"),
        (["--height", "7", "--width", "90"], "90x7: must be at least 32 pixels a side"),
        (["--frames", "3"], "--frames 3: must be whole windows of 5"),
    ],
)
def test_what_the_sampler_cannot_measure_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        sampler.parse(arguments)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "arguments", "told"),
    [
        (architecture.main, ["--data", "/nowhere"], "architecture: /nowhere: not a prepared folder"),
        (presets.main, ["--tile", "3"], "presets: configuration: sample.tile is 3; allowed"),
        (throughput.main, ["--source", "/nowhere.mkv"], "throughput: /nowhere.mkv: no such file"),
    ],
)
def test_what_others_refuse_is_told(main: Callable[[Sequence[str]], Any], arguments: list[str], told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        main(arguments)
