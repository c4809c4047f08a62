from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from models.configurations import EMBEDDED
from models.deep_features import DeepFeatures
from models.motion import Motion
from models.noise import frame_noise
from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.steps import GuidanceSettings, SamplerSettings
from models.windowed import WindowSettings

FRAMES, SHAPE = 6, (8, 8, 12)
CORRECTED = GuidanceSettings("corrected", 0.01, "constant", 0.1, "clean")


@pytest.fixture(scope="module")
def networks():
    """The embedded UNet and structure encoder with weights by which every path counts."""
    torch.manual_seed(0)
    unet, structure_encoder, _ = EMBEDDED.build()
    for network in (unet, structure_encoder):
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return unet.eval(), structure_encoder.eval()


@pytest.fixture
def calls(networks):
    """How often each part of the UNet is run, and which levels of the structure are asked for."""
    unet, structure_encoder = networks
    found = Counter()
    parts = {"middle": unet.middle, "first": unet.conv_in, "last": unet.up_levels[-1].resnets[-1]}
    parts["last but one"] = unet.up_levels[-1].resnets[-2]
    parts["structure"], parts["deepest structure"] = structure_encoder, structure_encoder.middle_resnets[0]
    hooks = [part.register_forward_hook(lambda *_, name=name: found.update([name])) for name, part in parts.items()]
    yield found
    for hook in hooks:
        hook.remove()


def sample(networks, settings):
    structure = torch.randn(FRAMES, *SHAPE, generator=torch.Generator().manual_seed(1))
    motion = Motion.from_flow(*torch.zeros(2, FRAMES - 1, 2, *SHAPE[1:]))
    noise = lambda frame, step: frame_noise(42, "v", frame, step, SHAPE)  # noqa: E731
    return sample_chunk(*networks, DiffusionSchedule.base(), structure, None, noise, settings, motion)


def settings(steps=4, **windows):
    return SamplerSettings(steps, 1.0, "ddim", "shift", WindowSettings(**windows), CORRECTED)


@pytest.mark.parametrize("skips", [1, 2, 3, 4, 5])
@torch.no_grad()
def test_going_on_from_features_of_the_same_call_changes_nothing(networks, skips):
    unet, structure_encoder = networks
    latents = torch.randn(5, *SHAPE)
    timestep = torch.tensor([500])
    structure = structure_encoder(latents, timestep)
    whole = unet(latents, timestep, None, structure)
    deep = DeepFeatures(skips)
    assert torch.equal(unet(latents, timestep, None, structure, deep=deep), whole)
    levels = unet.levels_of(skips)
    shallow = structure_encoder(latents, timestep, levels)
    assert len(shallow) == levels
    assert torch.equal(unet(latents, timestep, None, shallow, deep=DeepFeatures(skips, deep.kept)), whole)
    # With other features it is another result: they do take part.
    assert not torch.allclose(unet(latents, timestep, None, shallow, deep=DeepFeatures(skips, 0 * deep.kept)), whole)


@pytest.mark.parametrize("skips", [0, 6])
def test_some_skips_are_new_and_some_are_not(networks, skips):
    unet, _ = networks
    latents = torch.randn(5, *SHAPE)
    with pytest.raises(ValueError, match="from 1 to 5"):
        unet(latents, torch.tensor([0]), None, {}, deep=DeepFeatures(skips))


@pytest.mark.parametrize(("reuse", "middles"), [(1, 4), (2, 2), (3, 2), (4, 1)])
@pytest.mark.parametrize("skips", [1, 2])
def test_deep_features_are_computed_once_for_so_many_steps(networks, calls, reuse, middles, skips):
    sample(networks, settings(batch=2, reuse_steps=reuse, reuse_skips=skips))
    assert calls["first"] == calls["last"] == calls["structure"] == 4
    assert calls["middle"] == calls["deepest structure"] == middles
    assert calls["last but one"] == (4 if skips == 2 else middles)


def test_features_that_serve_one_step_give_the_plain_result(networks):
    plain = settings(tile=8, tile_shift=4, batch=2)
    for skips in (1, 2):
        same = replace(plain, windows=replace(plain.windows, reuse_steps=1, reuse_skips=skips))
        assert torch.equal(sample(networks, same), sample(networks, plain))


def test_reuse_is_near_the_plain_result_and_not_the_same(networks):
    plain, reused = (sample(networks, settings(tile=8, reuse_steps=steps)) for steps in (1, 2))
    difference = (plain - reused).square().mean().sqrt() / plain.square().mean().sqrt()
    assert 0 < difference < 0.1


def test_reuse_does_not_depend_on_batches_nor_on_their_becoming_smaller(networks):
    unet, structure_encoder = networks
    one = settings(tile=8, tile_shift=4, reuse_steps=2, batch=1)
    many = replace(one, windows=replace(one.windows, batch=4))
    expected = sample(networks, one)
    assert torch.allclose(sample(networks, many), expected, atol=1e-4)
    numbers = iter(range(100))

    def running_out(latents, *arguments, **named):
        # In the second step, which reuses, after the first call.
        if next(numbers) == 3 and len(latents) > 5:
            raise torch.OutOfMemoryError("no room")
        return unet(latents, *arguments, **named)

    running_out.levels_of = unet.levels_of
    assert torch.allclose(sample((running_out, structure_encoder), many), expected, atol=1e-4)
