from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Pools
from pipeline.executors.machines import Machine, fit, placed
from pipeline.executors.pace import coming_to, fit_to_pace
from pipeline.executors.pool import Pool, Task
from pipeline.executors.sizing import Share, balanced, check_fits, shares
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.wrapper import SetupError


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 5))
def test_without_a_gpu_all_pools_fit_on_the_cores(cores: int, sample: int, split: int) -> None:
    found = shares(Pools.model_validate({"sample": {"min": sample}, "split": {"max": split}}), [Machine(cores)])
    assert sum(share.cpus * share.most for share in found.values()) <= cores + 1e-9
    assert all(share.gpus == 0 and 0 < share.cpus <= 1 for share in found.values())


@pytest.mark.parametrize(("gpus", "each"), [(1, 0.33), (2, 0.5), (3, 1.0), (8, 1.0)])
def test_chunk_stages_share_the_gpus(gpus: int, each: float) -> None:
    """A worker's share is of one GPU: of two, three workers could never have two thirds each."""
    found = shares(Pools(), [Machine(16, gpus)])
    assert sum(share.least for share in found.values() if share.gpus) <= gpus * int(1 / each)
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
            check_fits(shares(Pools.model_validate({"sample": setting}), [Machine(4)]), 4, 0)
    check_fits(shares(Pools(), [Machine(4)]), 4, 0)


def test_what_is_configured_goes_before() -> None:
    pools = Pools.model_validate({"sample": {"min": 2, "max": 4, "cpus": 3, "gpus": 0.5, "resources": {"spot": 1}}})
    share = shares(pools, [Machine(16)])["sample"]
    assert (share.least, share.most) == (2, 4)
    assert share.options == {"num_cpus": 3.0, "num_gpus": 0.5, "resources": {"spot": 1.0}}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6))
def test_on_several_machines_each_worker_fits_on_one(cores: list[int], sample: int) -> None:
    """Two machines of two cores have no room for five workers of 0.8, though their cores have."""
    found = shares(Pools.model_validate({"sample": {"min": sample}}), [Machine(size) for size in cores])
    (each,) = {share.cpus for share in found.values()}
    assert 0 < each <= 1
    assert sum(int(size / each + 1e-9) for size in cores) >= sum(share.most for share in found.values())


def test_workers_with_a_gpu_share_the_cores_that_are_near_gpus() -> None:
    found = shares(Pools(), [Machine(2, 1), Machine(16)])
    assert {found[stage].cpus for stage in CHUNK_STAGES} == {0.66} and found["split"].cpus == 1.0
    assert found["flow"].gpus == 0.33


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


def most(pools: dict[str, object], *machines: Machine) -> list[int]:
    found = shares(Pools.model_validate(pools), machines)
    return [found[stage].most for stage in CHUNK_STAGES]


def test_a_pool_left_alone_gets_what_the_cluster_has_room_for() -> None:
    assert most({}, Machine(32, 8)) == [3, 3, 2]
    assert most({}, Machine(4, 8)) == [1, 1, 1], "no more than there are cores"
    assert most({"sample": {"min": 4}, "decode": {"max": 1}}, Machine(32, 8)) == [3, 4, 1]
    assert most({}, Machine(2)) == [1, 1, 1]


CHEAP, BIG = Machine(16, 4, {"gpu": "cheap"}), Machine(16, 8, {"gpu": "big"})


def test_labels_say_where_and_not_how_many() -> None:
    there = {"flow": {"labels": {"gpu": "cheap"}}, "sample": {"labels": {"gpu": "big"}}}
    assert most({**there, "decode": {"labels": {"gpu": "in(cheap, old)"}}}, CHEAP, BIG) == [2, 8, 2]
    assert most({**there, "decode": {"labels": {"gpu": "!cheap"}}}, CHEAP, BIG) == [4, 4, 4]
    found = shares(Pools.model_validate(there), [CHEAP, BIG])
    assert found["flow"].options["label_selector"] == {"gpu": "cheap"}
    measured = placed({"flow": 1.0, "sample": 20.0, "decode": 8.0}, found["decode"].seats)
    assert measured == {"flow": 1, "sample": 8, "decode": 3}, "who may have less takes first, the rest is by seconds"


def test_labels_that_no_machine_has_yet_bind_a_pool() -> None:
    found = shares(Pools.model_validate({"flow": {"labels": {"gpu": "L4"}}}), [BIG])
    assert (found["flow"].most, found["flow"].gpus, found["flow"].seats) == (1, 1.0, {})
    assert found["sample"].most + found["decode"].most == 8


def test_gpus_are_shared_by_those_who_can_have_them() -> None:
    pools = {stage: {"labels": {"gpu": "cheap"}} for stage in ("flow", "decode")} | {
        "sample": {"labels": {"gpu": "big"}}
    }
    found = shares(Pools.model_validate(pools), [Machine(8, 1, {"gpu": "cheap"}), Machine(8, 2, {"gpu": "big"})])
    assert {stage: found[stage].gpus for stage in CHUNK_STAGES} == {"flow": 0.5, "sample": 1.0, "decode": 0.5}
    assert [found[stage].most for stage in CHUNK_STAGES] == [1, 2, 1]
    without = shares(Pools.model_validate({"flow": {"labels": {"gpu": "none"}}}), [BIG, Machine(4, 0, {"gpu": "none"})])
    assert (without["flow"].gpus, without["sample"].gpus) == (0.0, 1.0), "its machines have no GPU"


@pytest.mark.parametrize(
    ("selector", "suits"),
    [("L4", True), ("T4", False), ("!T4", True), ("!L4", False), ("in(T4, L4)", True), ("!in(T4,L4)", False)],
)
def test_selectors_are_read_as_ray_reads_them(selector: str, suits: bool) -> None:
    assert Machine(1, labels={"gpu": "L4"}).suits({"gpu": selector}) is suits
    assert Machine(1).suits({"gpu": selector}) is selector.startswith("!"), "what has no such label is not among them"


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["a", "b", ""])), min_size=1, max_size=4),
    st.lists(st.sampled_from([{}, {"kind": "a"}, {"kind": "b"}, {"kind": "!a"}]), min_size=3, max_size=3),
)
def test_the_least_workers_have_a_gpu_each_whatever_their_labels(
    kinds: list[tuple[int, str]], labels: list[dict[str, str]]
) -> None:
    machines = [Machine(16, gpus, {"kind": kind} if kind else {}) for gpus, kind in kinds]
    pools = {stage: {"labels": each} for stage, each in zip(CHUNK_STAGES, labels, strict=True)}
    found = shares(Pools.model_validate(pools), machines)
    for stage in CHUNK_STAGES:
        share = found[stage]
        near = [machine for machine in machines if machine.suits(share.labels)]
        assert share.most <= max(1, sum(machine.gpus for machine in near) * int(1 / share.gpus))
        assert not near or fit({stage: share.least}, share.seats)


def test_split_and_assemble_may_grow_into_the_cores_beside_gpus_unless_something_is_said_of_them() -> None:
    def spare(pools: dict[str, object], *machines: Machine) -> list[int]:
        found = shares(Pools.model_validate(pools), machines)
        return [found[stage].spare for stage in STAGES]

    assert spare({}, Machine(32, 8)) == [11, 0, 0, 0, 11], "32 less eight with a GPU, less one each"
    assert spare({"split": {"max": 2}, "assemble": {"labels": {"pool": "cpu"}}}, Machine(32, 8)) == [0] * 5
    assert spare({}, Machine(64)) == [0] * 5, "without GPUs the cores are the chunk stages'"
    assert spare({}, Machine(4, 8)) == [0] * 5, "nothing is left"


def made(stage: str, share: Share, chunks: int, seconds: float) -> Pool:
    pool = Pool(stage, lambda options: None, share, depth=1)
    pool.done, pool.seconds = chunks, seconds * chunks
    return pool


@pytest.mark.parametrize(
    ("split", "assemble", "expected"),
    [
        (0.5, 0.1, [2, 1]),  # four workers at a second a chunk: four chunks a second
        (10.0, 0.3, [12, 2]),  # 40 would be needed
        (0.01, 0.01, [1, 1]),
    ],
)
def test_split_and_assemble_are_made_as_fast_as_the_slowest_chunk_stage(
    split: float, assemble: float, expected: list[int]
) -> None:
    pools = {stage: made(stage, Share(1, 4, 1.0, 1.0), 5, 1.0) for stage in CHUNK_STAGES}
    pools["split"] = made("split", Share(1, 1, 1.0, 0.0, spare=11), 5, split)
    pools["assemble"] = made("assemble", Share(1, 1, 1.0, 0.0, spare=11), 0, 0.0)
    pools["assemble"].seconds = 5 * assemble  # of one video of five chunks
    fit_to_pace(pools)
    assert [pools[stage].most for stage in ("split", "assemble")] == expected
    pools["flow"].done = 2
    pools["split"].most = 7
    fit_to_pace(pools)
    assert pools["split"].most == 7, "too few chunks of flow to go by"


def test_what_is_on_its_way_is_counted_in_chunks_and_for_assemble_in_videos() -> None:
    pools = {stage: made(stage, Share(1, 9, 1.0, 0.0), 0, 0.0) for stage in STAGES}
    pools["split"].submit(Task({}, chunks=4))
    pools["flow"].submit(Task({}))
    pools["sample"].submit(Task({}))
    assert [coming for _, coming in coming_to(pools, 2)] == [0, 4, 5, 6, 2]
