"""The decoder's loss as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.discriminator import PatchDiscriminator
from models.losses import DecoderLossWeights, corrected_consistency_loss, edge_weights, frame_difference_loss
from models.losses_adversarial import adaptive_weight, generator_loss, perceptual_loss
from models.losses_sequence import Judges, sequence_loss
from models.motion import Motion
from models.vae import TemporalVAE

FRAMES, SIZE = 3, 16
NOTHING = DecoderLossWeights(pixel=0, perceptual=0, frame_difference=0, consistency=0, adversarial=0)
TINY = {"block_out_channels": (8, 8), "layers_per_block": 1, "norm_groups": 4, "fusion_growth": 4}


def network(frames: torch.Tensor) -> list[torch.Tensor]:
    return [frames, torch.nn.functional.avg_pool2d(frames, 2)]


def motion_of(frames: torch.Tensor) -> Motion:
    """Moves half a pixel to the right: depends on no frame, as an estimate without gradient does not."""
    flow = torch.zeros(len(frames) - 1, 2, *frames.shape[-2:])
    flow[:, 0] = 0.5
    return Motion.from_flow(flow, -flow)


@pytest.fixture
def vae(seeded) -> TemporalVAE:
    return TemporalVAE(**TINY, num_frames=FRAMES)


@pytest.fixture
def decoded(vae) -> torch.Tensor:
    return vae.decode(torch.randn(2 * FRAMES, 4, SIZE // 2, SIZE // 2), fusion_weight=0.0)


@pytest.fixture
def truth(seeded) -> torch.Tensor:
    return torch.rand(2 * FRAMES, 3, SIZE, SIZE) * 2 - 1


@pytest.fixture
def judges(vae) -> Judges:
    return Judges(network, None, PatchDiscriminator(base_channels=4, layers=1), vae.last_layer)


def test_all_terms_with_their_published_weights(decoded, truth, judges):
    loss = sequence_loss(decoded, truth, motion_of, FRAMES, step=501, judges=judges)
    windows = list(zip(decoded.chunk(2), truth.chunk(2), strict=True))
    pixel = (decoded - truth).abs().mean()
    perceptual = perceptual_loss(decoded, truth, network)
    difference = sum(frame_difference_loss(*pair) for pair in windows) / 2
    consistency = sum(corrected_consistency_loss(x, edge_weights(y), motion_of(y)) for x, y in windows) / 2
    adversarial = generator_loss(judges.discriminator(decoded))
    weight = 0.025 * adaptive_weight(pixel + 0.5 * perceptual, adversarial, judges.last_layer)
    expected = pixel + 0.5 * perceptual + 0.5 * difference + 0.5 * consistency + weight * adversarial
    assert float(loss.total) == pytest.approx(float(expected), rel=1e-5)
    assert float(loss.adversarial_weight) == pytest.approx(float(weight), rel=1e-5) and weight > 0
    assert set(loss.terms) == {"pixel", "perceptual", "frame_difference", "consistency", "adversarial"}


def test_the_adversarial_term_waits_for_its_step(decoded, truth, judges):
    before = sequence_loss(decoded, truth, motion_of, FRAMES, step=500, judges=judges)
    after = sequence_loss(decoded, truth, motion_of, FRAMES, step=501, judges=judges)
    assert "adversarial" not in before.terms and before.adversarial_weight == 0
    assert float(after.total - before.total) == pytest.approx(
        float(after.adversarial_weight * after.terms["adversarial"]), abs=1e-6
    )


def test_consistency_alone_reaches_every_layer_of_the_decoder(vae, decoded, truth):
    """Fails if the consistency loss is given its arguments the other way round, as the published training does."""
    weights = replace(NOTHING, consistency=0.5)
    sequence_loss(decoded, truth, motion_of, FRAMES, step=0, judges=Judges(), weights=weights).total.backward()
    shares = {name: p.grad is not None and bool(p.grad.any()) for name, p in vae.decoder.named_parameters()}
    idle = [name for name, reached in shares.items() if not reached and "fusion" not in name]
    # New temporal layers are the identity: their scale has no gradient yet.
    assert all(name.endswith("temporal_alpha") for name in idle)


def test_swapped_arguments_leave_the_decoder_without_a_gradient(decoded, truth):
    weights = replace(NOTHING, consistency=0.5)
    swapped = sequence_loss(truth, decoded.detach(), motion_of, FRAMES, 0, Judges(), weights)
    published = sequence_loss(decoded, truth, motion_of, FRAMES, 0, Judges(), weights, order="published")
    assert not swapped.total.requires_grad and not published.total.requires_grad


def test_frames_that_follow_the_flow_are_more_consistent_after_a_few_steps(seeded):
    frames = torch.rand(FRAMES, 3, SIZE, SIZE).requires_grad_()
    truth = torch.zeros(FRAMES, 3, SIZE, SIZE)
    weights, values = replace(NOTHING, consistency=0.5), []
    for _ in range(20):
        loss = sequence_loss(frames, truth, motion_of, FRAMES, 0, Judges(), weights).total
        (gradient,) = torch.autograd.grad(loss, frames)
        frames = (frames - 20 * gradient).detach().requires_grad_()
        values.append(float(loss.detach()))
    assert values[-1] < 0.5 * values[0]


def test_flow_is_only_estimated_where_consistency_counts(decoded, truth):
    asked: list[torch.Tensor] = []

    def counted(frames: torch.Tensor) -> Motion:
        asked.append(frames)
        return motion_of(frames)

    weights = replace(NOTHING, frame_difference=0.5)
    loss = sequence_loss(decoded, truth, counted, FRAMES, 0, Judges(), weights)
    assert not asked
    windows = list(zip(decoded.chunk(2), truth.chunk(2), strict=True))
    expected = sum(frame_difference_loss(*pair) for pair in windows) / 2
    assert torch.equal(loss.terms["frame_difference"], expected)
    sequence_loss(decoded, truth, counted, FRAMES, 0, Judges(), replace(weights, consistency=0.5))
    assert len(asked) == len(windows)


def test_windows_are_compared_apart(truth):
    still = Motion(*(torch.zeros(FRAMES - 1, c, SIZE, SIZE) for c in (2, 2, 1, 1)))
    frames = torch.cat((torch.zeros(FRAMES, 3, SIZE, SIZE), torch.ones(FRAMES, 3, SIZE, SIZE)))
    weights = replace(NOTHING, consistency=1.0, frame_difference=1.0)
    loss = sequence_loss(frames, torch.zeros_like(frames), lambda window: still, FRAMES, 0, Judges(), weights)
    assert loss.total == 0
    with pytest.raises(ValueError, match="not whole windows"):
        sequence_loss(frames[1:], truth[1:], motion_of, FRAMES, 0, Judges(), weights)


def test_the_divergence_of_the_posterior(decoded, truth):
    posterior = (torch.ones(2, 4, 2, 2), torch.zeros(2, 4, 2, 2))
    weights = replace(NOTHING, kl=2.0)
    loss = sequence_loss(decoded, truth, motion_of, FRAMES, 0, Judges(), weights, posterior=posterior)
    assert float(loss.total) == pytest.approx(2.0 * 0.5 * 16)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"perceptual": 1.0}, "the perceptual term needs a feature network"),
        ({"kl": 1.0}, "the kl term needs the posterior"),
        ({"adversarial": 1.0, "pixel": 1.0}, "the adversarial term needs a discriminator"),
    ],
)
def test_a_term_that_lacks_what_it_needs_says_so(decoded, truth, weights, message):
    with pytest.raises(ValueError, match=message):
        sequence_loss(decoded, truth, motion_of, FRAMES, 999, Judges(), replace(NOTHING, **weights))


def test_an_adversarial_term_alone_cannot_be_weighed(decoded, truth, judges):
    with pytest.raises(ValueError, match="neither counts"):
        sequence_loss(decoded, truth, motion_of, FRAMES, 999, judges, replace(NOTHING, adversarial=1.0))


def test_weights_cannot_be_negative():
    with pytest.raises(ValueError, match="perceptual must not be negative"):
        DecoderLossWeights(perceptual=-1.0)


def test_the_last_layer_is_the_one_that_makes_the_frames(vae):
    assert vae.last_layer is vae.decoder.conv_out.weight
    fused = TemporalVAE(**TINY, image_fusion=True)
    assert fused.last_layer is fused.decoder.image_fusion.conv2.weight
