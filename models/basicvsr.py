"""BasicVSR: recurrent upscaling of video (Chan et al., "BasicVSR: The Search for Essential Components", CVPR 2021).

Two recurrent branches walk through the frames, one from the last to the first and one from the first to the last.
Each warps its hidden features along the optical flow to the next frame (section 3.2, alignment on features) and refines
them there; both are fused, upsampled by pixel shuffle and added to the bilinearly enlarged frame. A cleaning module may
come before them (``models.cleaning``).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.cleaning import CleaningNetwork
from models.lean_resnet import in_place
from models.residual import ResidualBlock
from models.spynet import SPyNet
from models.warping import warp


class Branch(nn.Module):
    """One direction of propagation: frame and aligned features -> refined features ``[N, C, h, w]``."""

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(channels + 3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(num_blocks)))

    def forward(self, frame: Tensor, aligned: Tensor) -> Tensor:
        """``frame`` is ``[N, 3, h, w]``, ``aligned`` ``[N, C, h, w]``."""
        x = torch.cat((frame, aligned), dim=1)
        if x.device.type == "cpu":
            # oneDNN runs these convolutions several times faster on channels-last tensors; the layout persists.
            x = x.contiguous(memory_format=torch.channels_last)
        return self.blocks(functional.leaky_relu(self.input(x), 0.1, in_place()))


class BasicVSR(ModelMixin, ConfigMixin):
    """Recurrent upscaling by 4 of frames of any size and number.

    Args:
        channels: width of the hidden features.
        num_blocks: residual blocks of each branch.
        num_levels: pyramid levels of the flow network.
        cleaning_channels: width of the cleaning module; 0 for none.
        cleaning_blocks: its residual blocks.
        cleaning_passes: how often it is applied to a frame at most.
    """

    scale = 4

    @register_to_config
    def __init__(
        self,
        channels: int = 64,
        num_blocks: int = 30,
        num_levels: int = 6,
        cleaning_channels: int = 0,
        cleaning_blocks: int = 0,
        cleaning_passes: int = 1,
    ) -> None:
        super().__init__()
        self.cleaning: CleaningNetwork | None = None
        if cleaning_channels:
            self.cleaning = CleaningNetwork(cleaning_channels, cleaning_blocks, cleaning_passes)
        self.flow_network = SPyNet(num_levels=num_levels)
        self.backward_branch = Branch(channels, num_blocks)
        self.forward_branch = Branch(channels, num_blocks)
        self.fusion = nn.Conv2d(2 * channels, channels, 1)
        self.upconv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.upconv2 = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, frames: Tensor, keep_every: int = 1) -> Tensor:
        """Upscale consecutive frames of one shot.

        Args:
            frames: ``[T, 3, h, w]`` or, for training, ``[B, T, 3, h, w]``; RGB in [0, 1].
            keep_every: see ``stream``.

        Returns:
            ``[T, 3, 4h, 4w]`` (or ``[B, T, 3, 4h, 4w]``), not clamped.

        Raises:
            ValueError: for any other shape, or no frame at all.
        """
        if frames.ndim == 4:
            return torch.cat(list(self.stream(frames[None], keep_every)))
        return torch.stack(list(self.stream(frames, keep_every)), dim=1)

    def stream(self, frames: Tensor, keep_every: int = 1) -> Iterator[Tensor]:
        """Yield the upscaled frames one by one, so that only the hidden features of the whole shot are held.

        Args:
            frames: ``[B, T, 3, h, w]``; RGB in [0, 1].
            keep_every: 1 keeps the backward features of all frames (256 bytes per pixel and frame with 64 channels);
                k > 1 keeps those of every k-th frame and computes those between them a second time, k frames at a
                time: T / k + k instead of T are held, for about half as much computation again. The result is the same.

        Yields:
            T tensors ``[B, 3, 4h, 4w]``, not clamped.
        """
        yield from self.propagate(self.clean(frames), keep_every)

    def clean(self, frames: Tensor) -> Tensor:
        """Clean the frames ``[B, T, 3, h, w]``, one after another to spare memory; without the module do nothing."""
        if frames.ndim != 5 or frames.shape[2] != 3 or frames.shape[1] == 0:
            raise ValueError(f"frames must be [B, T, 3, h, w] with T > 0, not {tuple(frames.shape)}")
        if self.cleaning is None:
            return frames
        return torch.stack([self.cleaning(frame) for frame in frames.unbind(1)], dim=1)

    def propagate(self, frames: Tensor, keep_every: int = 1) -> Iterator[Tensor]:
        """As ``stream``, of frames that have been cleaned."""
        if keep_every < 1:
            raise ValueError(f"keep_every must be at least 1, not {keep_every}")
        count = frames.shape[1]
        starts = range(0, count, keep_every)
        kept: list[Tensor] = []  # features of the first frame of every run, of the last run first
        features: list[Tensor] = []
        for start in reversed(starts):
            stop = min(start + keep_every, count)
            features = self._walk_back(frames, start, stop, kept[-1] if kept else None)
            kept.append(features[0])
        kept.pop()  # of the first run, whose features are all at hand
        hidden: Tensor | None = None
        for start in starts:
            stop = min(start + keep_every, count)
            if start:
                features = [kept.pop()]
                features += self._walk_back(frames, start + 1, stop, kept[-1] if kept else None)
            for index in range(start, stop):
                previous = frames[:, index - 1] if index else None
                hidden = self._step(self.forward_branch, frames[:, index], previous, hidden)
                # Popping lets each frame's features go as soon as they are used.
                yield self._reconstruct(frames[:, index], features.pop(0), hidden)

    def _walk_back(self, frames: Tensor, start: int, stop: int, entering: Tensor | None) -> list[Tensor]:
        """Backward features of the frames ``start`` to ``stop``, given those of frame ``stop`` (None past the end)."""
        features: list[Tensor] = []
        hidden = entering
        for index in reversed(range(start, stop)):
            following = frames[:, index + 1] if hidden is not None else None
            hidden = self._step(self.backward_branch, frames[:, index], following, hidden)
            features.append(hidden)
        return features[::-1]

    def _step(self, branch: Branch, frame: Tensor, neighbour: Tensor | None, hidden: Tensor | None) -> Tensor:
        """Carry the neighbour's features over to ``frame`` and refine them."""
        if neighbour is None or hidden is None:
            batch, _, height, width = frame.shape
            return branch(frame, frame.new_zeros(batch, self.config["channels"], height, width))
        flow = self.flow_network(frame, neighbour)
        return branch(frame, warp(hidden, flow))

    def _reconstruct(self, frame: Tensor, backward: Tensor, forward: Tensor) -> Tensor:
        """Fuse both branches at one frame and enlarge: ``[B, 3, h, w]`` -> ``[B, 3, 4h, 4w]``."""
        x = functional.leaky_relu(self.fusion(torch.cat((backward, forward), dim=1)), 0.1, in_place())
        x = functional.leaky_relu(_doubled(self.upconv1(x)), 0.1, in_place())
        x = functional.leaky_relu(_doubled(self.upconv2(x)), 0.1, in_place())
        x = self.conv_last(functional.leaky_relu(self.conv_hr(x), 0.1, in_place()))
        return x + functional.interpolate(frame, scale_factor=4, mode="bilinear", align_corners=False)


def _doubled(x: Tensor) -> Tensor:
    """Pixel shuffle by 2, ``[B, 4C, h, w]`` -> ``[B, C, 2h, 2w]``, in the layout of ``x``."""
    if x.device.type != "cpu" or not x.is_contiguous():
        return functional.pixel_shuffle(x, 2)
    # Of a contiguous tensor on a CPU, torch's own takes four times as long as this copy of a view.
    batch, channels, height, width = x.shape
    apart = x.view(batch, channels // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
    return apart.reshape(batch, channels // 4, 2 * height, 2 * width)
