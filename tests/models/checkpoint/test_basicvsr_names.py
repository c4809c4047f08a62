from __future__ import annotations

import pytest
import torch

from models.basicvsr import BasicVSR
from models.checkpoint.basicvsr import convert_basicvsr


def published_names(channels: int, blocks: int, levels: int) -> dict[str, torch.Tensor]:
    network = BasicVSR(channels=channels, num_blocks=blocks, num_levels=levels)
    names = {}
    for name, tensor in network.state_dict().items():
        name = name.replace("flow_network.levels.", "spynet.basic_module.")
        if name.startswith("spynet"):
            head, level, rest = name.split(".", 2)[0], name.split(".")[2], name.split(".", 3)[3]
            name = f"{head}.basic_module.{level}.basic_module.{rest}"
        for branch in ("backward", "forward"):
            name = name.replace(f"{branch}_branch.input", f"{branch}_trunk.main.0")
            name = name.replace(f"{branch}_branch.blocks", f"{branch}_trunk.main.2")
        names[name] = tensor
    names["spynet.mean"] = names["spynet.std"] = torch.zeros(1, 3, 1, 1)
    return names


def test_every_published_tensor_finds_its_place() -> None:
    state = published_names(4, 2, 2)
    assert "spynet.basic_module.1.basic_module.8.bias" in state
    assert "forward_trunk.main.2.1.conv2.weight" in state
    network = BasicVSR(channels=4, num_blocks=2, num_levels=2)
    network.load_state_dict(convert_basicvsr(state))
    assert torch.equal(network.fusion.weight, state["fusion.weight"])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError, match="spatial_alignment"):
        convert_basicvsr({"spatial_alignment.weight": torch.zeros(1)})
