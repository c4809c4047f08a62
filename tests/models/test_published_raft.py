"""What is particular about the published RAFT (golden README, section 5).

That all of it together gives the published numbers is tested beside each network and by the parity benchmark.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.raft import RAFT

pytestmark = pytest.mark.usefixtures("without_gradients")


def test_the_context_is_of_the_first_image_alone_with_batch_norm_and_features_have_instance_norm(seeded):
    raft = RAFT().eval()
    seen = []
    hook = raft.context_encoder.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    first, second = torch.rand(2, 1, 3, 128, 128)
    raft(first, second, iterations=1)
    hook.remove()
    assert len(seen) == 1 and torch.equal(seen[0], first)
    assert any(isinstance(m, nn.BatchNorm2d) for m in raft.context_encoder.modules())
    norms = [m for m in raft.feature_encoder.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert norms and not any(norm.affine for norm in norms) and {norm.eps for norm in norms} == {1e-5}


def test_correlations_are_of_4_levels_with_radius_4(seeded):
    raft = RAFT()
    assert raft.motion_encoder.correlation1.in_channels == 4 * 81 == 324
