from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.manifest import measure
from pipeline.fingerprint import STAGES
from pipeline.folding import take_plain
from pipeline.schemas import DONE, FAILED, GAVE_UP, RETRIED, REUSED, Event, to_table
from pipeline.tally import Tally

EVENTS = st.builds(
    Event,
    stage=st.sampled_from(STAGES),
    outcome=st.sampled_from([DONE] * 12 + [REUSED] * 4 + [RETRIED, FAILED, GAVE_UP]),
    video=st.sampled_from(["a", "b"]),
    chunk=st.integers(-1, 5),
    plan=st.sampled_from(["p"] * 9 + ["q"]),
    source=st.sampled_from(["x", "y"]),
    seconds=st.sampled_from([0.0, 1.0, 2.5]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=30), min_size=1, max_size=4))
def test_by_column_or_by_row_the_fold_is_the_same(parts: list[list[Event]]) -> None:
    columns, rows = Tally(), Tally()
    for part in parts:
        table = to_table("events", 1, list(part))
        for values in take_plain(columns, table).to_pylist():
            columns.add(SimpleNamespace(**values))
        for event in part:
            rows.add(event)
    for stage in STAGES:
        assert (columns.done(stage), columns.failed(stage)) == (rows.done(stage), rows.failed(stage))
        assert columns.outcomes[stage] == rows.outcomes[stage]
        assert abs(columns.seconds[stage] - rows.seconds[stage]) < 1e-9
        assert columns.undone(stage) == rows.undone(stage)
    assert columns.failures.keys() == rows.failures.keys()
    assert columns.failed_sources() == rows.failed_sources()


def test_a_stage_that_a_part_makes_be_forgotten_begins_anew_in_it() -> None:
    before = [Event(stage="flow", outcome=DONE, video="b", chunk=0, plan="p")]
    stages = ("split", "sample", "flow", "sample")
    part = [Event(stage=stage, outcome=DONE, video="b", chunk=0, plan="p") for stage in stages]
    columns, rows = Tally(), Tally()
    for events in (before, part):
        for values in take_plain(columns, to_table("events", 1, events)).to_pylist():
            columns.add(SimpleNamespace(**values))
        for event in events:
            rows.add(event)
    assert [columns.done(stage) for stage in STAGES] == [rows.done(stage) for stage in STAGES]


def test_the_benchmark_counts_what_it_left_out(tmp_path: Path) -> None:
    result = measure(3000, tmp_path)
    assert result["events"] == 4 * 3000 - 30
