"""Wrong calls are answered at once: reading a configuration loads no torch. Workers load no compiler."""

from __future__ import annotations

import subprocess
import sys

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
stage_factories(RunConfig.model_validate({"runtime": {"compile": "kernels"}}))["flow"]()
print("torch._dynamo" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True"
