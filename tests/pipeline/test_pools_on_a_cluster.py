"""Where the pools' workers run, and how many there are: two kinds of machines, with made-up GPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._common.test_utils import wait_for_condition
from ray.cluster_utils import Cluster
from whole_jobs import events

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.executors.nodes import has_room
from pipeline.executors.on_ray import RayExecutor
from pipeline.executors.scheduler import Scheduler
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.report import RunReport

pytestmark = pytest.mark.slow
Restore = Callable[..., RunReport]
SECONDS = {"flow": 0.05, "sample": 0.5, "decode": 0.05}
STORE = 80 << 20
LONG = 1_000_000 * " "
"""Makes a source so large that ten chunks are expected."""


class Machines:
    """A head, a cheap machine with a GPU, and a big one with four."""

    def __init__(self) -> None:
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        kinds = {"cheap": (6, 1), "big": (4, 4)}
        self.nodes = {
            name: self.cluster.add_node(num_cpus=cpus, num_gpus=gpus, labels={"gpu": name}, object_store_memory=STORE)
            for name, (cpus, gpus) in kinds.items()
        }
        self.names = {node.node_id[:8]: name for name, node in self.nodes.items()}

    def workers(self, workspace: Path) -> dict[str, list[tuple[str, str]]]:
        """Stage -> (machine, worker) of all chunks that it made, in order."""
        found = defaultdict(list)
        for event in sorted(events(workspace), key=lambda event: event["started"]):
            if event["outcome"] == "done" and event["chunk"] >= 0:
                found[event["stage"]].append((self.names[event["node"].rpartition("/")[2]], event["worker"]))
        return found


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    found = Machines()
    yield found
    found.cluster.shutdown()


def restore_on(machines: Machines, restore: Restore, library: Path, pools: dict[str, Any]) -> RunReport:
    config = RunConfig.model_validate({"pools": pools, "runtime": {"threads": 1}})
    executor = RayExecutor(config.pools, machines.cluster.address)
    try:
        return restore(Simulation(seconds=SECONDS), executor=executor, config=config, inputs=[library])
    finally:
        executor.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """One video of ten chunks."""
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "one.mp4").write_text("100 frames" + LONG)
    return tmp_path / "film"


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Workers of each chunk stage, turn by turn; first before anything is split."""
    found: list[dict[str, int]] = []
    turn = Scheduler._turn

    def noted(self: Scheduler) -> None:
        found.append({stage: len(self.pools[stage].hands) for stage in CHUNK_STAGES})
        turn(self)

    monkeypatch.setattr(Scheduler, "_turn", noted)
    return found


def test_stages_run_on_machines_of_their_labels(
    machines: Machines, restore: Restore, film: Path, tmp_path: Path
) -> None:
    pools = {"flow": {"labels": {"gpu": "cheap"}, "gpus": 0.5}, "decode": {"labels": {"gpu": "!in(cheap)"}}}
    pools |= {"sample": {"labels": {"gpu": "big"}, "min": 2}}
    assert restore_on(machines, restore, film, pools).ok
    found = machines.workers(tmp_path / "workspace")
    where = {stage: {machine for machine, _ in workers} for stage, workers in found.items()}
    assert (where["flow"], where["sample"], where["decode"]) == ({"cheap"}, {"big"}, {"big"})


def test_labels_leave_the_number_of_workers_to_measurement(
    machines: Machines, restore: Restore, film: Path, sizes: list[dict[str, int]]
) -> None:
    pools = {"flow": {"labels": {"gpu": "cheap"}}, "sample": {"labels": {"gpu": "big"}}}
    assert restore_on(machines, restore, film, pools).ok
    assert sizes[0] == {"flow": 1, "sample": 2, "decode": 2}, "one cheap GPU; the big machine's four for two stages"


def test_pools_start_as_the_film_wants_and_the_slowest_stage_gets_what_the_others_can_spare(
    machines: Machines, restore: Restore, film: Path, sizes: list[dict[str, int]]
) -> None:
    (film / "one.mp4").write_text("240 frames" + LONG)
    assert restore_on(machines, restore, film, {}).ok
    # Five GPUs, before anything is split. By measured seconds sample could use nearly all of them.
    assert sizes[0] == {"flow": 2, "sample": 2, "decode": 1}
    assert max(each["sample"] for each in sizes) == 3 and sizes[-1]["flow"] == 1


def test_room_is_that_of_one_machine(machines: Machines) -> None:
    ray.init(address=machines.cluster.address, log_to_driver=False)
    try:
        # Ray frees what the workers of an earlier run had a moment after they are told to end.
        wait_for_condition(lambda: has_room(6.0, 1.0, {"gpu": "!big"}) and has_room(4.0, 4.0, {"gpu": "big"}), 60)
        assert has_room(1.0, 4.0, {})
        assert not has_room(1.0, 5.0, {}), "five in the cluster, but on two machines"
        assert not has_room(1.0, 4.0, {"gpu": "cheap"}) and not has_room(1.0, 0.0, {"gpu": "none"})
    finally:
        ray.shutdown()


def test_on_one_gpu_all_stages_share_it(machines: Machines, restore: Restore, film: Path, tmp_path: Path) -> None:
    machines.cluster.remove_node(machines.nodes["big"])  # GPUs of one each would leave no room for two of the three
    assert restore_on(machines, restore, film, {}).ok
    found = machines.workers(tmp_path / "workspace")
    assert {machine for workers in found.values() for machine, _ in workers} == {"cheap"}


def test_on_two_gpus_three_stages_find_room(machines: Machines, restore: Restore, film: Path) -> None:
    machines.cluster.remove_node(machines.nodes["cheap"])
    machines.cluster.add_node(num_cpus=6, num_gpus=2, object_store_memory=STORE)
    assert restore_on(machines, restore, film, {}).ok
