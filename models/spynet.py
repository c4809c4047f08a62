"""SPyNet (Ranjan and Black, "Optical Flow Estimation using a Spatial Pyramid Network", CVPR 2017).

A coarse-to-fine estimator: at each of six pyramid levels a stack of five 7x7 convolutions sees the first image, the
second image warped by the flow found so far and that flow, and adds a correction. 1.4 M parameters.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.warping import sampling_grid

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PyramidLevel(nn.Sequential):
    """Five 7x7 convolutions: (first image, warped second, flow) ``[N, 8, h, w]`` -> correction ``[N, 2, h, w]``."""

    def __init__(self) -> None:
        widths = (8, 32, 64, 32, 16, 2)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(before, after, kernel_size=7, padding=3))
            if index < 4:
                layers.append(nn.ReLU())
        super().__init__(*layers)


class SPyNet(ModelMixin, ConfigMixin):
    """Optical flow between two images of any size.

    Args:
        num_levels: pyramid levels; the coarsest is ``1 / 2 ** (num_levels - 1)`` of the input's size.
    """

    @register_to_config
    def __init__(self, num_levels: int = 6) -> None:
        super().__init__()
        self.levels = nn.ModuleList(PyramidLevel() for _ in range(num_levels))

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Flow from ``image1`` to ``image2``: what is at p in ``image1`` is at p + flow[p] in ``image2``.

        Args:
            image1: ``[N, 3, H, W]`` RGB in [0, 1].
            image2: the same shape.

        Returns:
            ``[N, 2, H, W]``, (x, y) in pixels.

        Raises:
            ValueError: if the shapes differ or are not those of RGB images.
        """
        if image1.shape != image2.shape or image1.ndim != 4 or image1.shape[1] != 3:
            raise ValueError(f"not a pair of RGB batches: {tuple(image1.shape)} and {tuple(image2.shape)}")
        height, width = image1.shape[-2:]
        multiple = 2 ** (len(self.levels) - 1)
        size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        if size != (height, width):
            image1, image2 = (
                functional.interpolate(image, size, mode="bilinear", align_corners=False) for image in (image1, image2)
            )
        flow = self._estimate(image1, image2)
        if size == (height, width):
            return flow
        flow = functional.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
        return flow * flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)

    def _estimate(self, image1: Tensor, image2: Tensor) -> Tensor:
        """The pyramid itself, for sides that are multiples of the coarsest level's scale."""
        mean = image1.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
        std = image1.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
        pyramid = [((image1 - mean) / std, (image2 - mean) / std)]
        for _ in range(len(self.levels) - 1):
            first, second = (functional.avg_pool2d(image, 2) for image in pyramid[-1])
            pyramid.append((first, second))
        first, second = pyramid[-1]
        flow = first.new_zeros(first.shape[0], 2, *first.shape[-2:])
        for level, (first, second) in zip(self.levels, reversed(pyramid), strict=True):
            if flow.shape[-2:] != first.shape[-2:]:
                flow = 2.0 * functional.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            warped = functional.grid_sample(second, sampling_grid(flow), padding_mode="border", align_corners=True)
            flow = flow + level(torch.cat((first, warped, flow), dim=1))
        return flow
