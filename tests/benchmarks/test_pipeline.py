from __future__ import annotations

import pytest

from benchmarks import pipeline


def test_busy_counts_only_the_stage_inside_the_steady_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "SECONDS", {"flow": 0.4, "sample": 1.0})
    monkeypatch.setattr(pipeline, "WORKERS", {"flow": 1, "sample": 2})
    spans = {
        "flow": [(0.0, 0.5), (0.5, 1.0), (1.5, 2.0)],
        "sample": [(0.5, 1.5), (1.0, 2.0), (1.6, 2.6), (2.0, 3.1), (3.0, 4.0)],
    }
    pools = pipeline._pools(spans)
    # From 1.0 (both have begun) to 3.0 (the last begins): 0.5 + 1 + 1 + 1 seconds of work in 2 x 2 seconds.
    assert pools["sample"]["busy"] == pytest.approx(3.5 / 4)
    assert pools["flow"]["busy"] == pytest.approx(0.2)
    assert pools["sample"]["slowest"] == 1.0 and pools["flow"]["slowest"] == 0.0
    assert pools["sample"]["overhead_ms"] == pytest.approx(20.0)


@pytest.mark.slow
def test_the_pools_run_side_by_side() -> None:
    busy = 0.0
    for _ in range(3):  # other programs may have the cores for a while
        pools = pipeline.measure(chunks=12, videos=2)["pools"]
        assert {stage: pool["workers"] for stage, pool in pools.items()} == pipeline.WORKERS
        busy = next(pool["busy"] for pool in pools.values() if pool["slowest"])
        if busy > 0.6:
            break
    # In order, one after the other, the slowest pool would be busy less than a third of the time.
    assert busy > 0.6
