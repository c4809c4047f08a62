"""What configuration may choose between, by name. It imports no torch: wrong calls are answered at once."""

from __future__ import annotations

from typing import Literal

MultistepName = Literal["dpmsolver++", "sde-dpmsolver++", "unipc"]
"""Solvers that learn from the steps before; see ``models.multistep``."""

Solver = Literal["ddpm", "ddim"] | MultistepName
"""See ``models.steps``."""

Compilation = Literal["off", "kernels", "graphs"]
"""See ``models.compiling``."""
