from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from models.folder import ModelFolder
from models.losses_adversarial import perceptual_loss
from models.vgg import BLOCKS, VGGFeatures
from training.perceptual import autoencoder_features, lpips_features
from training.recipe import LpipsFiles

CPU = torch.device("cpu")


def test_features_of_the_autoencoder_see_blur_and_let_it_be_mended() -> None:
    features = autoencoder_features(ModelFolder(None).vae().eval().requires_grad_(False))
    frames = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    little, much = (functional.avg_pool2d(frames, size, 1, size // 2).requires_grad_() for size in (3, 5))
    distances = [perceptual_loss(each, frames, features) for each in (frames, little, much)]
    assert distances[0] < 1e-9 < distances[1] < distances[2]
    distances[1].backward()
    assert little.grad is not None
    better = little.detach() - 1e-3 * little.grad / little.grad.abs().max()
    assert perceptual_loss(better, frames, features) < distances[1]


def lpips_files(folder: Path) -> LpipsFiles:
    files = LpipsFiles(vgg=folder / "vgg16.pth", lpips=folder / "lpips.pth")
    torch.save({**VGGFeatures().state_dict(), "classifier.0.weight": torch.zeros(2)}, files.vgg)
    lines = {f"lin{n}.model.1.weight": torch.full((1, width, 1, 1), 0.5) for n, (width, _) in enumerate(BLOCKS)}
    torch.save(lines, files.lpips)
    return files


def test_lpips_is_read_from_its_usual_files(tmp_path: Path) -> None:
    network, weights = lpips_features(lpips_files(tmp_path), CPU)
    assert weights is not None and [len(each) for each in weights] == [width for width, _ in BLOCKS]
    frames = torch.rand(1, 3, 16, 16)
    assert perceptual_loss(frames, frames, network, weights) == 0
    assert perceptual_loss(frames, 1 - frames, network, weights) > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_wrong_files_are_named_in_one_line(tmp_path: Path) -> None:
    files = lpips_files(tmp_path)
    swapped = LpipsFiles(vgg=files.lpips, lpips=files.vgg)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"lpips.pth: not the weights of VGG-16") as found:
        lpips_features(swapped, CPU)
    assert "\n" not in str(found.value)
    with pytest.raises(ValueError, match=r"vgg16.pth: not LPIPS' weights for VGG-16: lin0.model.1.weight with 64"):
        lpips_features(LpipsFiles(vgg=files.vgg, lpips=files.vgg), CPU)
    files.vgg.write_text("text")
    with pytest.raises(ValueError, match=r"vgg16.pth: cannot be read as weights"):
        lpips_features(files, CPU)
