"""The pipeline against the bare stages, with stages that only wait."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.record import given
from benchmarks.simulated_stages import Simulation
from benchmarks.throughput import configuration, measure, parse
from pipeline.config import RunConfig
from pipeline.executors.memory import WORKER_ENVIRONMENT


@pytest.mark.slow
def test_stages_that_only_wait_do_so_side_by_side_in_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in WORKER_ENVIRONMENT.items():  # which stays set otherwise
        monkeypatch.setenv(name, value)
    (tmp_path / "clip.mkv").write_text("56 frames")
    stages = Simulation(seconds={"flow": 0.7, "sample": 0.7, "decode": 0.7}).factories()
    found = measure(RunConfig.model_validate({"runtime": {"threads": 1}}), stages, tmp_path / "clip.mkv")
    assert found["bare"]["frames"] == found["piped"]["frames"] == 46, "all chunks but the first"
    assert found["bare"]["seconds"] >= 5 * 2.1
    assert found["ratio"] > 1.1, "one after the other it would be less than 1"


def test_its_options_can_be_written_down_and_make_a_configuration() -> None:
    options = parse([])
    assert json.loads(json.dumps(given(options))) == {"chunk_frames": 20}
    assert configuration(options).split.chunk_frames == 20, "and what goes with it is left as it is"
