from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.generated_weights import generate_weights
from models.checkpoint.raft import load, rename_raft
from models.checkpoint.renaming import CheckpointError
from models.raft import RAFT, CorrelationPyramid, upsample_flow

FOLDER = Path(__file__).parents[1] / "golden"
FACTS = json.loads((FOLDER / "flow.json").read_text())
GOLDEN = load_file(FOLDER / "flow.safetensors")


@pytest.fixture(scope="module")
def official() -> dict[str, torch.Tensor]:
    return generate_weights(FACTS["state_dict_sorted"], FACTS["seed"])


@pytest.fixture(scope="module")
def raft(official) -> RAFT:
    return load(RAFT(), official).eval()


def test_the_formula_of_the_weights(official):
    for key, values in FACTS["check_values"].items():
        assert official[key].flatten()[: len(values)].tolist() == pytest.approx(values, abs=0)


@torch.no_grad()
def test_flow_equals_the_published_one_for_sides_that_need_padding(raft):
    first, second = (GOLDEN[f"in.image{i}_uint8"].float() / 255 for i in (1, 2))
    assert first.shape[-1] % 8 and first.shape[-2] % 8
    assert (raft(first, second) - GOLDEN["out.flow_1to2"]).abs().max() < 1e-3


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(1, 1), (20, 137)])
def test_images_too_small_for_the_published_system_have_a_flow(raft, height, width):
    flow = raft(torch.rand(1, 3, height, width), torch.rand(1, 3, height, width), iterations=1)
    assert flow.shape == (1, 2, height, width) and flow.isfinite().all()


@torch.no_grad()
def test_images_are_not_normalised(raft):
    seen = []
    hook = raft.feature_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.rand(2, 3, 128, 136)
    raft(images[:1], images[1:], iterations=1)
    hook.remove()
    assert torch.equal(seen[0], images)


@torch.no_grad()
def test_there_are_10_iterations_and_the_mask_is_made_once(raft):
    calls = {"flow": 0, "mask": 0}

    def count(name):
        def hook(module, inputs, result):
            calls[name] += 1

        return hook

    hooks = [raft.flow_head.register_forward_hook(count("flow")), raft.mask_head.register_forward_hook(count("mask"))]
    raft(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
    for hook in hooks:
        hook.remove()
    assert calls == {"flow": 10, "mask": 1}


@torch.no_grad()
def test_padding_repeats_the_border_half_on_either_side(raft):
    seen = []
    hook = raft.context_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = torch.rand(1, 3, 131, 142)
    raft(image, image, iterations=1)
    hook.remove()
    assert torch.equal(seen[0], torch.nn.functional.pad(image, (1, 1, 2, 3), mode="replicate"))


@torch.no_grad()
def test_pairs_of_a_batch_do_not_touch_each_other(raft):
    first, second = torch.rand(2, 2, 3, 16, 16)
    together = raft(first, second, iterations=1)
    assert torch.allclose(together[1:], raft(first[1:], second[1:], iterations=1), atol=1e-4)


def test_images_of_other_shapes_are_refused(raft):
    with pytest.raises(ValueError, match="not a pair"):
        raft(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))


def test_look_up_shifts_x_slowly_and_y_fast():
    first = torch.ones(1, 1, 4, 4)
    second = torch.arange(16.0).view(1, 1, 4, 4)
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    found = CorrelationPyramid(first, second, levels=1, radius=1).look_up(torch.stack((columns, rows))[None])
    # Around row 1, column 2, whose value is 6.
    assert torch.allclose(found[0, :, 1, 2], torch.tensor([1.0, 5, 9, 2, 6, 10, 3, 7, 11]), atol=1e-4)


def test_a_constant_flow_stays_constant_when_enlarged_inside():
    flow = torch.tensor([0.5, -1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    fine = upsample_flow(flow, torch.randn(1, 576, 4, 4))
    assert fine.shape == (1, 2, 32, 32)
    assert torch.allclose(fine[..., 8:-8, 8:-8], torch.tensor([4.0, -8.0]).view(1, 2, 1, 1), atol=1e-5)


def test_the_converter_takes_either_name_of_an_alias_and_the_prefix_of_raft_itself(official, raft):
    alone = {f"module.{key}": value for key, value in official.items() if ".norm3." not in key}
    renamed = rename_raft(raft, alone)
    assert all(torch.equal(value, renamed[key]) for key, value in raft.state_dict().items())


def test_the_converter_refuses_aliases_that_differ(official, raft):
    name = "cnet.layer2.0.downsample.1.weight"
    with pytest.raises(CheckpointError, match=name):
        rename_raft(raft, official | {name: official[name] + 1})


@pytest.mark.parametrize("change", [{"fnet.conv9.weight": torch.zeros(1)}, {"fnet.conv1.bias": torch.zeros(3)}])
def test_the_converter_refuses_what_it_cannot_place(official, raft, change):
    with pytest.raises(CheckpointError):
        rename_raft(raft, official | change)


def test_the_converter_refuses_a_checkpoint_with_a_tensor_missing(official, raft):
    with pytest.raises(CheckpointError, match=r"update_block\.mask\.2\.bias"):
        rename_raft(raft, {key: value for key, value in official.items() if key != "update_block.mask.2.bias"})
