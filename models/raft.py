"""RAFT (Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", 2020; golden README, section 5).

Features at 1/8 of the size, the correlation of every pixel with every other, and a recurrent unit that looks up the
correlations around where the present flow points and corrects it. 5.3 M parameters. As in MGLD-VSR, images are *not*
normalised to [-1, 1], and there are 10 iterations.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 8
FEATURES, HIDDEN = 256, 128


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with norm and ReLU, and a skip connection, a 1x1 convolution where sizes change."""

    def __init__(self, before: int, after: int, stride: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1)
        self.norm1 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.norm2 = norm(after)
        self.skip_conv = nn.Conv2d(before, after, 1, stride) if stride > 1 else None
        self.skip_norm = norm(after) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, h, w]`` -> ``[N, after, h / stride, w / stride]``."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        if self.skip_conv is not None and self.skip_norm is not None:
            x = self.skip_norm(self.skip_conv(x))
        return functional.relu(x + y)


class Encoder(nn.Module):
    """``[N, 3, H, W]`` -> ``[N, 256, H / 8, W / 8]``."""

    def __init__(self, norm: type[nn.Module]) -> None:
        super().__init__()
        widths = (64, 64, 96, 128)
        self.conv_in = nn.Conv2d(3, widths[0], 7, stride=2, padding=3)
        self.norm_in = norm(widths[0])
        self.stages = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise(widths)):
            stride = 1 if level == 0 else 2
            self.stages.append(
                nn.Sequential(ResidualBlock(before, after, stride, norm), ResidualBlock(after, after, 1, norm))
            )
        self.conv_out = nn.Conv2d(widths[-1], FEATURES, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Encode images."""
        x = functional.relu(self.norm_in(self.conv_in(images)))
        for stage in self.stages:
            x = stage(x)
        return self.conv_out(x)


class CorrelationPyramid:
    """The correlations of all pixels of one feature map with all of another, at several resolutions of the latter.

    Args:
        first: ``[N, C, h, w]``.
        second: the same shape.
        levels: each halves the resolution.
        radius: of the window that is looked up.
    """

    def __init__(self, first: Tensor, second: Tensor, levels: int, radius: int) -> None:
        count, channels, height, width = first.shape
        volume = torch.einsum("ncp,ncq->npq", first.flatten(2), second.flatten(2)) / channels**0.5
        level = volume.reshape(count * height * width, 1, height, width)
        self._levels = [level]
        for _ in range(levels - 1):
            level = functional.avg_pool2d(level, 2)
            self._levels.append(level)
        steps = torch.arange(-radius, radius + 1, device=first.device, dtype=first.dtype)
        # The slow index shifts x and the fast one y.
        self._offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)

    def look_up(self, positions: Tensor) -> Tensor:
        """The correlations around ``positions`` ``[N, 2, h, w]``: ``[N, levels * (2 radius + 1)^2, h, w]``."""
        count, _, height, width = positions.shape
        centres = positions.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        found = []
        for index, level in enumerate(self._levels):
            rows, columns = level.shape[-2:]
            place = centres / 2**index + self._offsets
            grid = 2 * place / place.new_tensor([columns - 1, rows - 1]) - 1
            samples = functional.grid_sample(level, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
            found.append(samples.reshape(count, height, width, -1))
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()


class MotionEncoder(nn.Module):
    """Correlations and the present flow -> 128 channels, the last two of them the flow itself."""

    def __init__(self, correlations: int) -> None:
        super().__init__()
        self.correlation1 = nn.Conv2d(correlations, 256, 1)
        self.correlation2 = nn.Conv2d(256, 192, 3, padding=1)
        self.flow1 = nn.Conv2d(2, 128, 7, padding=3)
        self.flow2 = nn.Conv2d(128, 64, 3, padding=1)
        self.fuse = nn.Conv2d(192 + 64, HIDDEN - 2, 3, padding=1)

    def forward(self, correlations: Tensor, flow: Tensor) -> Tensor:
        """``[N, K, h, w]`` and ``[N, 2, h, w]`` -> ``[N, 128, h, w]``."""
        c = functional.relu(self.correlation2(functional.relu(self.correlation1(correlations))))
        f = functional.relu(self.flow2(functional.relu(self.flow1(flow))))
        return torch.cat((functional.relu(self.fuse(torch.cat((c, f), dim=1))), flow), dim=1)


class ConvGRU(nn.Module):
    """A gated recurrent unit whose matrices are convolutions of one kernel size."""

    def __init__(self, kernel: tuple[int, int]) -> None:
        super().__init__()
        channels = 3 * HIDDEN
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.update = nn.Conv2d(channels, HIDDEN, kernel, padding=padding)
        self.reset = nn.Conv2d(channels, HIDDEN, kernel, padding=padding)
        self.candidate = nn.Conv2d(channels, HIDDEN, kernel, padding=padding)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """``[N, 128, h, w]`` and ``[N, 256, h, w]`` -> the new hidden state."""
        both = torch.cat((hidden, x), dim=1)
        update, reset = torch.sigmoid(self.update(both)), torch.sigmoid(self.reset(both))
        candidate = torch.tanh(self.candidate(torch.cat((reset * hidden, x), dim=1)))
        return (1 - update) * hidden + update * candidate


class RAFT(ModelMixin, ConfigMixin):
    """Optical flow between two images of any size.

    Args:
        iterations: corrections of the flow, from zero.
        levels: of the correlation pyramid.
        radius: of its look-up.
        min_side: smaller images are extended to this: the coarsest level needs more than one pixel each way.
    """

    @register_to_config
    def __init__(self, iterations: int = 10, levels: int = 4, radius: int = 4, min_side: int = 128) -> None:
        super().__init__()
        self.feature_encoder = Encoder(nn.InstanceNorm2d)
        self.context_encoder = Encoder(nn.BatchNorm2d)
        self.motion_encoder = MotionEncoder(levels * (2 * radius + 1) ** 2)
        self.gru_horizontal = ConvGRU((1, 5))
        self.gru_vertical = ConvGRU((5, 1))
        self.flow_head = nn.Sequential(nn.Conv2d(HIDDEN, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 2, 3, padding=1))
        self.mask_head = nn.Sequential(
            nn.Conv2d(HIDDEN, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 9 * STRIDE**2, 1)
        )

    def forward(self, image1: Tensor, image2: Tensor, iterations: int | None = None) -> Tensor:
        """Flow from ``image1`` to ``image2``: what is at p in ``image1`` is at p + flow[p] in ``image2``.

        Args:
            image1: ``[N, 3, H, W]`` RGB in [0, 1].
            image2: the same shape.
            iterations: instead of the configured number.

        Returns:
            ``[N, 2, H, W]``, (x, y) in pixels.

        Raises:
            ValueError: if the shapes differ or are not those of RGB images.
        """
        if image1.shape != image2.shape or image1.ndim != 4 or image1.shape[1] != 3:
            raise ValueError(f"not a pair of RGB batches: {tuple(image1.shape)} and {tuple(image2.shape)}")
        height, width = image1.shape[-2:]
        left, top, padding = self._padding(height, width)
        image1, image2 = (functional.pad(image, padding, mode="replicate") for image in (image1, image2))
        flow = self._estimate(image1, image2, self.config.iterations if iterations is None else iterations)
        return flow[..., top : top + height, left : left + width]

    def _padding(self, height: int, width: int) -> tuple[int, int, tuple[int, int, int, int]]:
        """Left and top padding, and all four as ``functional.pad`` wants them."""
        high, wide = (max(-(-side // STRIDE) * STRIDE, self.config.min_side) - side for side in (height, width))
        left, top = wide // 2, high // 2
        return left, top, (left, wide - left, top, high - top)

    def _estimate(self, image1: Tensor, image2: Tensor, iterations: int) -> Tensor:
        first, second = self.feature_encoder(torch.cat((image1, image2))).chunk(2)
        pyramid = CorrelationPyramid(first, second, self.config.levels, self.config.radius)
        state, context = self.context_encoder(image1).split(HIDDEN, dim=1)
        hidden, context = torch.tanh(state), functional.relu(context)
        rows, columns = first.shape[-2:]
        start = torch.stack(
            torch.meshgrid(
                torch.arange(columns, device=first.device, dtype=first.dtype),
                torch.arange(rows, device=first.device, dtype=first.dtype),
                indexing="xy",
            )
        )
        flow = first.new_zeros(first.shape[0], 2, rows, columns)
        for _ in range(iterations):
            flow = flow.detach()
            motion = self.motion_encoder(pyramid.look_up(start + flow), flow)
            x = torch.cat((context, motion), dim=1)
            hidden = self.gru_vertical(self.gru_horizontal(hidden, x), x)
            flow = flow + self.flow_head(hidden)
        return upsample_flow(flow, 0.25 * self.mask_head(hidden))


def upsample_flow(flow: Tensor, mask: Tensor) -> Tensor:
    """Each fine vector as a learnt, convex combination of the 3x3 coarse ones around it.

    Args:
        flow: ``[N, 2, h, w]``, in pixels of its own size.
        mask: ``[N, 9 * 64, h, w]``: for neighbour k and fine pixel (i, j), before the softmax over k.

    Returns:
        ``[N, 2, 8 h, 8 w]``, in pixels of that size.
    """
    count, _, height, width = flow.shape
    share = mask.view(count, 1, 9, STRIDE, STRIDE, height, width).softmax(dim=2)
    around = functional.unfold(STRIDE * flow, 3, padding=1).view(count, 2, 9, 1, 1, height, width)
    fine = (share * around).sum(dim=2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(count, 2, STRIDE * height, STRIDE * width)
