from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Pools
from pipeline.executors.sizing import Share, balanced, check_fits, shares
from pipeline.wrapper import SetupError


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 5))
def test_without_a_gpu_all_pools_fit_on_the_cores(cores: int, sample: int, split: int) -> None:
    found = shares(Pools.model_validate({"sample": {"min": sample}, "split": {"max": split}}), cores, 0)
    assert sum(share.cpus * share.most for share in found.values()) <= cores + 1e-9
    assert all(share.gpus == 0 and 0 < share.cpus <= 1 for share in found.values())


@pytest.mark.parametrize(("gpus", "each"), [(1, 0.33), (2, 0.66), (3, 1.0), (8, 1.0)])
def test_chunk_stages_share_the_gpus(gpus: int, each: float) -> None:
    found = shares(Pools(), 16, gpus)
    assert {stage: share.gpus for stage, share in found.items()} == {
        "split": 0.0,
        "flow": each,
        "sample": each,
        "decode": each,
        "assemble": 0.0,
    }


def test_what_a_machine_can_never_have_is_refused() -> None:
    for setting, words in (({"gpus": 1}, "more GPUs than the 0 .* sample 1"), ({"cpus": 9}, "more cores than the 4")):
        with pytest.raises(SetupError, match=words):
            check_fits(shares(Pools.model_validate({"sample": setting}), 4, 0), 4, 0)
    check_fits(shares(Pools(), 4, 0), 4, 0)


def test_what_is_configured_goes_before() -> None:
    pools = Pools.model_validate({"sample": {"min": 2, "max": 4, "cpus": 3, "gpus": 0.5, "resources": {"spot": 1}}})
    share = shares(pools, 16, 0)["sample"]
    assert (share.least, share.most) == (2, 4)
    assert share.options == {"num_cpus": 3.0, "num_gpus": 0.5, "resources": {"spot": 1.0}}


@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=4), st.integers(0, 60))
def test_slots_go_to_the_slowest(seconds: list[float], slots: int) -> None:
    counts = balanced(seconds, slots)
    assert sum(counts) == max(slots, len(seconds)) and min(counts) >= 1
    slowest = max(time / count for time, count in zip(seconds, counts, strict=True))
    for index, count in enumerate(counts):  # no worker could be taken from another stage and make the slowest faster
        if count > 1:
            assert seconds[index] / (count - 1) >= slowest * (1 - 1e-9)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"pool": "flow"}, {"pool": "sampling"}, True),
        ({"pool": "flow"}, {"pool": "flow"}, False),
        ({"pool": "flow"}, {}, False),
        ({"pool": "flow"}, {"zone": "a"}, False),
        ({"pool": "flow"}, {"pool": "!sampling"}, False),
        ({"pool": "in(flow,cpu)"}, {"pool": "cpu"}, False),
    ],
)
def test_workers_with_different_labels_share_no_machine(
    one: dict[str, str], other: dict[str, str], apart: bool
) -> None:
    first, second = (Share(1, 1, cpus=1.0, gpus=0.0, labels=labels) for labels in (one, other))
    assert first.is_apart(second) == second.is_apart(first) == apart


def test_a_pool_left_alone_gets_what_the_cluster_has_room_for() -> None:
    found = shares(Pools(), 32, 8)
    assert [found[stage].most for stage in ("flow", "sample", "decode")] == [3, 3, 2] and found["flow"].slots == 8
    bound = shares(Pools.model_validate({"sample": {"min": 4}, "flow": {"labels": {"gpu": "L4"}}}), 32, 8)
    assert (bound["sample"].most, bound["flow"].most, bound["decode"].most) == (4, 1, 3)
    assert bound["flow"].options["label_selector"] == {"gpu": "L4"} and bound["decode"].slots == 3
    assert [shares(Pools(), 2, 0)[stage].most for stage in ("flow", "sample", "decode")] == [1, 1, 1]
