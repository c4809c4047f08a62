"""What need not wait for torch does not: wrong calls, drivers, runs with nothing to do. Workers load no compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from whole_jobs import Line, write_clip

from models.folder import EMBEDDED_FOLDER

SLOW = ("torch", "diffusers", "ray")


def test_configuration_is_read_without_torch_or_ray() -> None:
    program = f"import sys, pipeline.config; print([name for name in {SLOW} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_stages_are_set_up_without_the_compiler_and_it_can_still_be_had() -> None:
    program = """
import sys
from pipeline.config import RunConfig
from pipeline.stage_factories import stage_factories
for make in stage_factories(RunConfig()).values():
    make().setup()
print("torch._dynamo" in sys.modules)
import torch
print(torch.compile(torch.nn.Identity(), backend="eager")(torch.ones(1)).item(), "torch._dynamo" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["False", "1.0 True"]


def test_those_who_compile_get_what_the_compiler_is_told_by_diffusers() -> None:
    program = """
import sys
from pipeline.config import RunConfig
from pipeline.stage_factories import stage_factories
stage_factories(RunConfig.model_validate({"runtime": {"compile": "kernels"}}))["flow"]().setup()
print("torch._dynamo" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True"


def test_a_driver_checks_its_stages_and_names_artifacts_without_torch() -> None:
    program = f"""
import sys
from pipeline.config import RunConfig
from pipeline.run import check, make_recipe
from pipeline.stage_factories import stage_factories
factories = stage_factories(RunConfig())
check(factories, here=True)
make_recipe(factories)
print([name for name in {SLOW} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_run_that_finds_everything_done_loads_no_torch(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mkv", frames=3)
    line = Line(
        [tmp_path / "clip.mkv"],
        tmp_path / "out",
        tmp_path / "ws",
        EMBEDDED_FOLDER,
        program=(sys.executable, "-X", "importtime", "-m", "jobs.restore"),
    )
    first, again = line.run(), line.run()
    assert first.returncode == again.returncode == 0, again.stdout
    loaded = [any(row.endswith("torch.nn") for row in found.stderr.splitlines()) for found in (first, again)]
    assert loaded == [True, False]
    assert "1 already done" in again.stderr
