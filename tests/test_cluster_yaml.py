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
from autoscaler import started

from pipeline.config import load_config

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


def pools_of_the_manual(folder: Path) -> Path:
    """The example of a configuration in the page on S3, as a file."""
    page = (FILE.parent / "docs" / "library-on-s3.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (folder / "library.yaml").write_text(example)
    return folder / "library.yaml"


@pytest.mark.parametrize("recommended", ["deploy/pools.yaml", "docs/library-on-s3.md"])
def test_ray_starts_the_machines_that_the_recommended_pools_ask_for(
    cluster: dict[str, Any], recommended: str, tmp_path: Path
) -> None:
    file = FILE.parent / recommended
    pools = load_config(file if file.suffix == ".yaml" else pools_of_the_manual(tmp_path)).pools
    kinds = cluster["available_node_types"]
    found = started(cluster, pools)
    homes = {"split": "cpu", "flow": "flow", "sample": "sampling", "decode": "flow", "assemble": "cpu"}
    assert {stage: list(machines) for stage, machines in found.items()} == {
        stage: [f"{home}_pool"] for stage, home in homes.items()
    }
    for stage, machines in found.items():
        pool = getattr(pools, stage)
        for kind, count in machines.items():
            assert count <= kinds[kind]["max_workers"] and pool.max * (pool.gpus or 0) <= count


def test_the_file_that_the_line_names_is_there() -> None:
    (named,) = re.findall(r"--config (\S+)", FILE.read_text())
    assert (FILE.parent / named).is_file()


def test_the_image_has_the_ray_that_is_tested(cluster: dict[str, Any]) -> None:
    found = re.search(r":(\d+\.\d+)\.\d+-py311", cluster["docker"]["image"])
    assert found and version("ray").startswith(found.group(1))
