from __future__ import annotations

import math
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from evaluation.consistency import consistency, resize
from evaluation.cvvdp_import import GaussianBlur, load
from evaluation.luma import luma
from evaluation.motion import Motion, load_estimator, motion
from evaluation.niqe import PATCH, niqe
from evaluation.psnr import MeanPsnr, psnr
from evaluation.sharpness import sharpness
from evaluation.ssim import ssim
from evaluation.warping_error import warping_error
from models.warping import sampling_grid


def photograph() -> np.ndarray:
    """[512, 512, 3] in [0, 1]: scikit-image's public-domain portrait."""
    return data.astronaut().astype(np.float32) / 255


def enlarged(picture: np.ndarray) -> np.ndarray:
    small = resize(picture, (picture.shape[0] // 4, picture.shape[1] // 4))
    return np.clip(resize(small, picture.shape[:2]), 0, 1)


def test_luma_has_the_range_of_bt601() -> None:
    black_white = np.array([[[0, 0, 0], [1, 1, 1]]], np.float32)
    assert luma(black_white) == pytest.approx(np.array([[16, 235]]), abs=0.01)


def test_psnr_is_that_of_the_textbook() -> None:
    picture = np.zeros((4, 4))
    assert psnr(picture + 1, picture) == pytest.approx(48.1308, abs=1e-4)
    assert math.isinf(psnr(picture, picture))


def test_equal_frames_do_not_make_a_whole_clip_infinite() -> None:
    mean = MeanPsnr()
    for value in (30.0, math.inf):
        mean.add(value)
    assert mean.value == 65
    assert math.isnan(MeanPsnr().value)


def test_ssim_falls_with_blur_and_knows_its_smallest_picture() -> None:
    sharp = luma(photograph()[:64, :64])
    assert ssim(sharp, sharp) == pytest.approx(1)
    assert 0 < ssim(cv2.GaussianBlur(sharp, (0, 0), 2), sharp) < 0.95
    assert ssim(sharp[:10], sharp[:10]) is None


def test_niqe_prefers_photographs() -> None:
    sharp = photograph()
    assert niqe(luma(sharp)) == pytest.approx(3.10, abs=0.01)  # measured once; the authors' scale: 2 to 4
    assert niqe(luma(enlarged(sharp))) > 6
    noisy = sharp + np.random.default_rng(0).normal(0, 0.1, sharp.shape).astype(np.float32)
    assert niqe(luma(np.clip(noisy, 0, 1))) > 6


def test_niqe_of_small_and_of_flat_pictures_is_not_known() -> None:
    assert niqe(luma(photograph())[:191]) is None
    flat = np.full((192, 192), 100.0)
    flat[0, 0] = 101  # a fade's last frame is not quite black
    assert niqe(flat) is None


def test_niqe_leaves_out_black_bars() -> None:
    picture = luma(photograph())
    picture = picture[: picture.shape[0] - picture.shape[0] % PATCH]
    bar = np.full((PATCH, picture.shape[1]), 16.0)
    assert niqe(np.vstack([bar, picture, bar])) == pytest.approx(niqe(picture), rel=0.02)  # edges blur


def test_consistency_sees_what_the_input_denies() -> None:
    picture = photograph()[:128, :128]
    low = resize(picture, (32, 32))
    assert math.isinf(consistency(picture, np.clip(low, 0, 1)))
    assert consistency(np.clip(picture + 0.1, 0, 1), low) < 25


def test_sharpness_grows_with_detail() -> None:
    picture = photograph()
    assert sharpness(luma(picture)) > 3 * sharpness(luma(enlarged(picture)))


def test_the_blur_is_a_normalised_gaussian() -> None:
    image = torch.zeros(2, 3, 41, 41)
    image[:, :, 20, 20] = 1
    blurred = GaussianBlur(13, 3.0)(image)
    assert blurred.shape == image.shape
    assert float(blurred.sum()) == pytest.approx(6, rel=1e-5)
    across = blurred[0, 0, 20] / blurred[0, 0, 20, 20]
    assert float(across[23]) == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert float(blurred[0, 0, 20, 27]) == 0  # 13 taps reach 6 pixels
    assert torch.allclose(GaussianBlur(13, 3.0)(torch.ones(1, 1, 9, 9)), torch.ones(1, 1, 9, 9))


@pytest.mark.usefixtures("cvvdp")
def test_torchvision_is_not_there_after_the_import() -> None:
    assert load().cvvdp
    assert "torchvision" not in sys.modules and "torchvision.transforms" not in sys.modules
    assert not any(path.endswith("pycvvdp") for path in sys.path)


def still(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.zeros(1, 2, *first.shape[-2:])


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_warping_error_of_a_still_clip_is_the_mean_square(before: float, after: float) -> None:
    first, second = torch.full((1, 3, 4, 6), before), torch.full((1, 3, 4, 6), after)
    error = warping_error(first, second, motion(first, second, still))
    assert error == pytest.approx((before - after) ** 2, abs=1e-6)


def test_occluded_pixels_do_not_count() -> None:
    first, second = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    second[..., 0, 0] = 1
    visible = torch.ones(1, 1, 2, 2)
    grid = sampling_grid(torch.zeros(1, 2, 2, 2))
    assert warping_error(first, second, Motion(grid, visible)) == pytest.approx(0.25)
    visible[..., 0, 0] = 0
    assert warping_error(first, second, Motion(grid, visible)) == 0
    assert warping_error(first, second, Motion(grid, 0 * visible)) == 0


def test_what_leaves_the_picture_is_not_visible() -> None:
    def right(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        flow = torch.zeros(1, 2, 3, 8)
        flow[:, 0] = 0.4
        return flow

    # The flows do not cancel by more than half a pixel anywhere, so only the border leaves.
    image = torch.zeros(1, 3, 3, 8)
    moved = motion(image, image, lambda a, b: 0.5 * right(a, b))
    assert moved.visible[0, 0, 1].tolist() == [1, 1, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("size", [(8, 8), (64, 9), (11, 64), (1, 1), (12, 12)])
def test_the_smallest_pictures_have_flow_too(size: tuple[int, int]) -> None:
    first, second = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0)).unbind()
    flow = load_estimator("dis", None, torch.device("cpu"))(first, second)
    assert flow.shape == (1, 2, *size) and bool(flow.isfinite().all())


@pytest.mark.parametrize("name", ["spynet", "dis"])
def test_flow_follows_a_pan(name: str, panning: np.ndarray) -> None:
    first, second = (torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255 for frame in panning[:2])
    with torch.inference_mode():
        flow = load_estimator(name, None, torch.device("cpu"))(first, second)
    assert float(flow[0, 0, 10:-10, 10:-10].median()) == pytest.approx(-1, abs=0.2)
    assert float(flow[0, 1, 10:-10, 10:-10].median()) == pytest.approx(0, abs=0.2)
    moved = motion(first, second, load_estimator(name, None, torch.device("cpu")))
    assert warping_error(first, second, moved) < 0.2 * float(((first - second) ** 2).mean())
