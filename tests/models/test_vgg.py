from __future__ import annotations

import torch

from models.vgg import VGGFeatures


def test_keys_and_layers_are_those_of_the_usual_file():
    network = VGGFeatures()
    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert {*network.state_dict()} == {f"features.{n}.{part}" for n in convolutions for part in ("weight", "bias")}
    found = network(torch.rand(1, 3, 32, 48) * 2 - 1)
    assert [tuple(layer.shape[1:]) for layer in found] == [
        (64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]  # fmt: skip
    assert all((layer >= 0).all() for layer in found)


def test_frames_are_normalised_as_for_imagenet():
    seen = []
    network = VGGFeatures()
    network.features[0].register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    network(mean * 2 - 1)
    network(torch.ones(1, 3, 16, 16))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 16, 16), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[1][0, :, 0, 0], torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]))
