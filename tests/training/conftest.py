from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips whose estimate is the target a little blurred."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 5, 3, 12, 12, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
    estimate = torch.nn.functional.avg_pool3d(target, (1, 3, 3), 1, (0, 1, 1))
    parts = {"low": target[..., ::4, ::4], "estimate": estimate, "target": target}
    folder = tmp_path / "clips"
    folder.mkdir()
    save_file(
        {name: (frames * 255).round().to(torch.uint8).contiguous() for name, frames in parts.items()},
        folder / "estimates-00000.safetensors",
    )
    return folder
