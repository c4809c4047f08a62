"""KubeRay's and Slurm's files, as far as they can be checked without Kubernetes and Slurm."""

from __future__ import annotations

import os
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from autoscaler import of_kuberay, started
from kuberay import RAY_JOB
from typer.testing import CliRunner

from jobs.cli import app
from pipeline.config import load_config

ROOT = Path(__file__).parents[1]
POOLS = ROOT / "deploy" / "pools.yaml"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text())
    return loaded


def test_the_job_has_only_fields_that_kuberay_knows(job: dict[str, Any]) -> None:
    jsonschema.validate(job, RAY_JOB)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**job, "spec": {**job["spec"], "workerGroups": []}}, RAY_JOB)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == version("ray")
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert isinstance(yaml.safe_load(job["spec"]["runtimeEnvYAML"]), dict)


def test_ray_starts_the_pods_that_the_pools_ask_for(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["autoscalerOptions"]["version"] == "v2", "the first one knows nothing of labels"
    assert started(of_kuberay(cluster), load_config(POOLS).pools) == {
        "split": {"cpu": 4},
        "flow": {"flow": 4},
        "sample": {"sampling": 32},
        "decode": {"flow": 4},
        "assemble": {"cpu": 2},
    }


def understood(words: list[str]) -> None:
    """Make sure that the command line is one (it stops at the inputs, which are not there)."""
    done = CliRunner().invoke(app, [words[2].removeprefix("jobs."), *words[3:], "--help"])
    assert words[:2] == ["python", "-m"] and done.exit_code == 0, done.output
    known = {option for option in done.output.split() if option.startswith("--")}
    assert {word for word in words[3:] if word.startswith("--")} <= known


def test_the_entrypoint_is_a_line_that_restore_understands(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    words = shlex.split(job["spec"]["entrypoint"])
    understood(words)
    assert {"--takeover", "--accept-failures"} <= {*words}, "KubeRay starts a line that failed on a new cluster"


@pytest.mark.parametrize("label", ["", "sampling"])
def test_slurms_script_starts_a_head_and_a_worker_on_each_other_machine(
    tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ROOT / "deploy" / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    fake = tmp_path / "scontrol"
    fake.write_text("#!/bin/sh\nprintf 'n1\\nn2\\nn3\\n'\n")
    fake.chmod(0o755)
    facts = {"SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_ID": "20007", "SLURM_CPUS_PER_TASK": "16"}
    env = {**os.environ, **facts, "SLURM_GPUS_ON_NODE": "2", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    env |= {"REELIFT_DRY_RUN": "1", "REELIFT_LABEL": label}
    done = subprocess.run(
        [str(script), "/data/tapes", "--output", "/o", "--workspace", "/w"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    head, *workers, restore = done.stdout.splitlines()
    assert "--nodelist=n1 ray start --head --port=20007 --num-cpus=16 --num-gpus=2 --block" in head
    assert [f"--nodelist={node}" in line for node, line in zip(("n2", "n3"), workers, strict=True)] == [True, True]
    assert all("--address=n1:20007" in line and (f"pool={label}" in line) == bool(label) for line in workers)
    monkeypatch.setenv("COLUMNS", "300")
    understood(restore.split())
