"""Wrong calls are answered at once: reading a configuration loads no torch."""

from __future__ import annotations

import subprocess
import sys

SLOW = ("torch", "diffusers", "ray")


def test_configuration_is_read_without_torch_or_ray() -> None:
    program = f"import sys, pipeline.config; print([name for name in {SLOW} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
