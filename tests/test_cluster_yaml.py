from __future__ import annotations

import importlib.util
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.config import Pools, load_config

FILE = Path(__file__).parents[1] / "cluster.yaml"


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_it_is_what_ray_up_accepts(cluster: dict[str, Any]) -> None:
    spec = importlib.util.find_spec("ray")
    assert spec and spec.origin
    schema = json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "available_node_typos": {}}, schema)


def test_only_sampling_runs_on_spot_and_the_head_only_drives(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert set(types) == {"head", "cpu_pool", "flow_pool", "sampling_pool"}
    spot = [name for name, kind in types.items() if "InstanceMarketOptions" in kind["node_config"]]
    assert spot == ["sampling_pool"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert sum(kind.get("max_workers", 0) for kind in types.values()) == cluster["max_workers"]


def test_every_recommended_worker_fits_its_machine(cluster: dict[str, Any]) -> None:
    pools = load_config(FILE.parent / "deploy" / "pools.yaml").pools
    for stage in Pools.model_fields:
        pool = getattr(pools, stage)
        (home,) = (kind for kind in cluster["available_node_types"].values() if kind.get("labels") == pool.labels)
        has = home["resources"]
        assert pool.cpus <= has["CPU"] and (pool.gpus or 0) <= has.get("GPU", 0)
        assert (pool.gpus or 0) * pool.max <= has.get("GPU", 0) * home["max_workers"]


def test_the_file_that_the_line_names_is_there() -> None:
    (named,) = re.findall(r"--config (\S+)", FILE.read_text())
    assert (FILE.parent / named).is_file()


def test_the_image_has_the_ray_that_is_tested(cluster: dict[str, Any]) -> None:
    found = re.search(r":(\d+\.\d+)\.\d+-py311", cluster["docker"]["image"])
    assert found and version("ray").startswith(found.group(1))
