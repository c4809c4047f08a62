from __future__ import annotations

import json
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


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared folder of three clips of 64x64, a texture that moves; one of them is held out."""
    noise = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    wide = torch.nn.functional.interpolate(noise, (96, 96), mode="bicubic").clamp(0, 1)
    clips = torch.stack([wide[:, :, 4:68, 3 * shift : 64 + 3 * shift] for shift in range(5)], dim=1)
    folder = tmp_path / "prepared"
    folder.mkdir()
    save_file({"clips": (clips * 255).to(torch.uint8).contiguous()}, folder / "photo-0000.safetensors")
    shard = {"name": "photo-0000", "clips": 3, "held_out": [False, False, True]}
    (folder / "index.json").write_text(json.dumps({"size": 64, "frames": 5, "shards": [shard]}))
    return folder
