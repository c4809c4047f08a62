from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.checkpoint import structure_encoder as official_structure
from models.checkpoint import unet as official_unet
from models.configurations import EMBEDDED, FULL
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet


@torch.no_grad()
def test_structure_encoder_matches_the_published_one(golden, encoder, close):
    vectors = golden("structcond_encoder")
    latents = vectors.inputs["x"]
    for name, expected in vectors.outputs.items():
        timesteps, _, width = name.partition(".")
        width, _, part = width.partition("_")
        structure = encoder(latents, vectors.inputs[timesteps])[int(width)]
        close(structure[:1] if part == "frame0" else structure, expected)


@pytest.mark.parametrize("network", [StructureEncoder, DenoisingUNet])
@pytest.mark.parametrize("head_channels", [24, 64])
def test_channels_that_make_no_whole_heads_are_refused(network, head_channels):
    with pytest.raises(ValueError, match=f"32 channels cannot be cut into attention heads of {head_channels} channels"):
        network(block_out_channels=(32, 32), head_channels=head_channels)
    with pytest.raises(ValueError, match="32 channels cannot be shared among 5 attention heads"):
        network(block_out_channels=(32, 32), num_heads=5, head_channels=None)


@torch.no_grad()
@pytest.mark.parametrize("run", ["a", "b"])
def test_unet_matches_the_published_one(golden, encoder, unet, close, run):
    vectors = golden("unet")
    timesteps = vectors.inputs[f"t_{run}"]
    structure = encoder(vectors.inputs["struct_latent"], timesteps)
    middle = []
    hook = unet.middle.register_forward_hook(lambda module, inputs, output: middle.append(output))
    eps = unet(vectors.inputs["x"], timesteps, vectors.inputs["context"], structure)
    hook.remove()
    close(eps, vectors.outputs[f"eps_{run}"])
    if run == "a":
        close(middle[0], vectors.outputs["middle_block_a"])


@torch.no_grad()
def test_two_windows_with_their_own_prompts_and_timesteps(golden, encoder, unet, close):
    vectors = golden("unet")
    timesteps, prompts = vectors.inputs["t10"], vectors.inputs["context2"]
    structure = encoder(vectors.inputs["struct_latent10"], timesteps)
    close(unet(vectors.inputs["x10"], timesteps, prompts, structure), vectors.outputs["eps10"])
    repeated = unet(vectors.inputs["x10"], timesteps, prompts.repeat_interleave(5, 0), structure)
    close(repeated, vectors.outputs["eps10"])


SMALL_UNET = {
    "block_out_channels": (8, 16, 16),
    "layers_per_block": (1, 2, 1),
    "attention_resolutions": (2,),
    "head_channels": 4,
    "cross_attention_dim": None,
    "structure_channels": 8,
    "spade_hidden": 4,
    "norm_groups": 4,
    "num_frames": 2,
}
SMALL_STRUCTURE = {
    "out_channels": 8,
    "block_out_channels": (8, 8, 12, 16),
    "layers_per_block": 1,
    "attention_resolutions": (1, 8),
    "num_heads": 2,
    "norm_groups": 4,
}


@pytest.mark.parametrize("size", [(8, 16), (7, 13), (10, 9)])
def test_any_size_and_an_encoder_with_more_levels(size):
    unet, encoder = DenoisingUNet(**SMALL_UNET).eval(), StructureEncoder(**SMALL_STRUCTURE).eval()
    latents, timesteps = torch.randn(4, 4, *size), torch.tensor([500])
    structure = encoder(latents, timesteps)
    assert len(structure) == 4
    assert unet(latents, timesteps, None, structure).shape == latents.shape
    assert unet(latents, timesteps.expand(4), None, structure, num_frames=4).shape == latents.shape


def test_a_new_unet_ignores_the_structure_until_it_learns(seeded):
    unet = DenoisingUNet(**SMALL_UNET).eval()
    latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([3])
    structure = {width: torch.randn(2, 8, width, width, requires_grad=True) for width in (8, 4, 2)}
    nothing = {width: torch.zeros(2, 8, width, width) for width in (8, 4, 2)}
    eps = unet(latents, timesteps, None, structure)
    torch.testing.assert_close(eps, unet(latents, timesteps, None, nothing))
    eps.square().sum().backward()
    assert unet.down_levels[0].resnets[0].spade.gamma.weight.grad.abs().sum() > 0


def test_conditions_that_do_not_fit_are_refused():
    unet = DenoisingUNet(**SMALL_UNET)
    latents, timesteps = torch.zeros(2, 4, 8, 8), torch.tensor([3])
    structure = {8: torch.zeros(2, 8, 8, 8)}
    with pytest.raises(ValueError, match=r"no structure condition of width 4, only of \[8\]"):
        unet(latents, timesteps, None, structure)
    with pytest.raises(ValueError, match="3 frames are not whole windows of 2"):
        unet(latents.repeat(2, 1, 1, 1)[:3], timesteps, None, structure)
    with pytest.raises(ValueError, match="1 wide are too narrow for 4 levels"):
        StructureEncoder(**SMALL_STRUCTURE)(torch.zeros(1, 4, 8, 1), timesteps)
    prompted = DenoisingUNet(**SMALL_UNET | {"cross_attention_dim": 6})
    structure |= {4: torch.zeros(2, 8, 4, 4), 2: torch.zeros(2, 8, 2, 2)}
    with pytest.raises(ValueError, match="needs a prompt embedding"):
        prompted(latents, timesteps, None, structure)
    with pytest.raises(ValueError, match="3 prompts cannot be shared evenly among 2 frames"):
        prompted(latents, timesteps, torch.zeros(3, 7, 6), structure)


def test_saved_and_loaded_they_are_the_same(tmp_path, seeded):
    unet, encoder = DenoisingUNet(**SMALL_UNET).eval(), StructureEncoder(**SMALL_STRUCTURE).eval()
    unet.save_pretrained(tmp_path / "unet")
    encoder.save_pretrained(tmp_path / "encoder")
    unet_again = DenoisingUNet.from_pretrained(tmp_path / "unet", local_files_only=True)
    encoder_again = StructureEncoder.from_pretrained(tmp_path / "encoder", local_files_only=True)
    latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([3])
    structure, again = encoder(latents, timesteps), encoder_again(latents, timesteps)
    for width in structure:
        torch.testing.assert_close(structure[width], again[width], atol=1e-5, rtol=1e-5)
    eps, eps_again = unet(latents, timesteps, None, structure), unet_again(latents, timesteps, None, structure)
    torch.testing.assert_close(eps, eps_again, atol=1e-5, rtol=1e-5)


def test_full_size_has_the_published_shapes(official_layout):
    with torch.device("meta"):
        unet, encoder = DenoisingUNet(**FULL.unet), StructureEncoder(**FULL.structure_encoder)
        published = {
            name: {key: torch.empty(shape) for key, shape, *_ in group["entries"]}
            for name, group in official_layout["diffusion_checkpoint"].items()
            if name in ("unet", "struct_encoder")
        }
    official_unet.rename_unet(unet, published["unet"])
    official_structure.rename_structure_encoder(encoder, published["struct_encoder"])
    counts = official_layout["parameter_counts"]
    assert sum(p.numel() for p in unet.parameters()) == counts["unet"]
    assert sum(p.numel() for p in encoder.parameters()) == counts["structcond_encoder"]
    for part in ("spade", "temporal"):
        # The published count goes by names, and those of the temporal attention's norm do not say "temporal".
        named = [p for name, p in unet.named_parameters() if part in name and "temporal_attention.norm" not in name]
        assert sum(p.numel() for p in named) == counts[f"unet_{part}"]


def test_embedded_step_stays_cheap():
    with torch.device("meta"):
        unet, encoder, _ = EMBEDDED.build()
        latents, timesteps = torch.empty(5, 8, 50, 90), torch.zeros(1, dtype=torch.long)
        with FlopCounterMode(display=False) as flops:
            unet(latents, timesteps, None, encoder(latents, timesteps))
    assert flops.get_total_flops() / 5 < 12e9
