"""Perceptual and adversarial terms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.discriminator import PatchDiscriminator
from models.losses_adversarial import (
    adaptive_weight,
    discriminator_loss,
    generator_loss,
    hinge_loss,
    perceptual_loss,
)


def test_hinge_losses_by_hand():
    real, restored = torch.tensor([2.0, 0.0, -1.0]), torch.tensor([-3.0, 0.5])
    assert hinge_loss(real, restored) == pytest.approx(0.5 * ((0 + 1 + 2) / 3 + (0 + 1.5) / 2))
    assert generator_loss(restored) == pytest.approx(1.25)


def test_the_discriminator_learns_and_the_decoder_does_not_learn_from_it(seeded):
    judge = PatchDiscriminator(base_channels=4, layers=2)
    optimiser = torch.optim.Adam(judge.parameters(), 1e-3, betas=(0.5, 0.9))
    restored = torch.full((2, 3, 24, 24), 0.1, requires_grad=True)
    losses = []
    for _ in range(30):
        loss = discriminator_loss(judge, restored + 0.1 * torch.randn(2, 3, 24, 24), torch.rand(2, 3, 24, 24))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0] and restored.grad is None


def test_the_adaptive_weight_makes_both_pull_as_hard():
    layer = nn.Parameter(torch.tensor([1.0, 2.0]))
    fidelity, adversarial = (layer * torch.tensor([3.0, 4.0])).sum(), 0.01 * layer.sum()
    weight = adaptive_weight(fidelity, adversarial, layer, floor=0.0)
    assert not weight.requires_grad
    pull, push = (torch.autograd.grad(loss, layer, retain_graph=True)[0] for loss in (fidelity, weight * adversarial))
    assert push.norm() == pytest.approx(float(pull.norm()))


def test_the_adaptive_weight_has_a_limit_and_never_divides_by_nothing():
    layer = nn.Parameter(torch.tensor([1.0]))
    assert adaptive_weight(layer.sum(), 0 * layer.sum(), layer) == pytest.approx(1e4)
    assert adaptive_weight(3 * layer.sum(), 0 * layer.sum(), layer, limit=1e9) == pytest.approx(3e4)
    assert adaptive_weight(layer.sum(), layer.sum() * 1e-9, layer, limit=7.0) == 7.0
    assert adaptive_weight(0 * layer.sum(), layer.sum(), layer) == 0


def test_perceptual_distance_by_hand():
    def network(x):
        return [x, 10 * x[:, :2, ::2, ::2]]

    one, other = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    one[:, 0], other[:, 1] = 5.0, 0.1
    # Of length 1 after normalising, so they differ by 1 in two channels, whatever their strength.
    assert perceptual_loss(one, other, network) == pytest.approx(2 / 3 + 1)
    weights = [torch.tensor([0.5, 2.0, 9.0]), torch.tensor([1.0, 0.0])]
    assert perceptual_loss(one, other, network, weights) == pytest.approx(2.5 + 1)
    assert perceptual_loss(one, one, network) == 0
    with pytest.raises(ValueError, match="shorter"):
        perceptual_loss(one, other, network, weights[:1])


def test_perceptual_distance_has_a_gradient_where_activations_are_zero():
    x = torch.zeros(1, 3, 4, 4, requires_grad=True)
    perceptual_loss(x, torch.rand(1, 3, 4, 4), lambda frames: [frames]).backward()
    assert torch.isfinite(x.grad).all()
