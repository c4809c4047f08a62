"""BasicVSR: recurrent upscaling of video (Chan et al., "BasicVSR: The Search for Essential Components", CVPR 2021).

Two recurrent branches walk through the frames, one from the last to the first and one from the first to the last.
Each warps its hidden features along the optical flow to the next frame (section 3.2, alignment on features) and refines
them there; both are fused, upsampled by pixel shuffle and added to the bilinearly enlarged frame. A cleaning module may
come before them (``models.cleaning``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.cleaning import CleaningNetwork
from models.lean_resnet import in_place
from models.parallel import check_wanted, in_parallel
from models.residual import ResidualBlock
from models.spynet import SPyNet
from models.warping import warp

ON_CPU, ON_GPU = 2**23, 2**27
"""Elements of the widest features of a band of rows: on a CPU what was quickest (2**22 to 2**23), on a GPU enough to
keep it busy; large frames need little memory either way."""
MARGIN = 2
"""Rows that a band sees beyond its own."""


class Branch(nn.Module):
    """One direction of propagation: frame and aligned features -> refined features ``[N, C, h, w]``."""

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(channels + 3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(num_blocks)))

    def forward(self, frame: Tensor, aligned: Tensor) -> Tensor:
        """``frame`` is ``[N, 3, h, w]``, ``aligned`` ``[N, C, h, w]``; the result has the precision of the weights."""
        x = torch.cat((frame, aligned), dim=1).to(self.input.weight.dtype)
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

    def refine_in(self, dtype: torch.dtype) -> Self:
        """Compute features in this precision. Frames, optical flow and warping stay in float32, as does the result."""
        for part in (self.backward_branch, self.forward_branch, self.fusion, self.upconv1, self.upconv2):
            part.to(dtype)
        self.conv_hr.to(dtype)
        self.conv_last.to(dtype)
        return self

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
        """Yield the upscaled frames in order.

        On a CPU that keeps all features both branches walk at once, and the frames come together at the end; they take
        less than the features, which they replace. Else one by one, and only features of the whole shot are held.

        Args:
            frames: ``[B, T, 3, h, w]``; RGB in [0, 1].
            keep_every: 1 keeps the features of one branch for each frame (256 bytes per pixel and frame with 64
                channels); k > 1 keeps the backward ones of every k-th frame and computes those between them a second
                time, k frames at a time: T / k + k instead of T are held, for about half as much computation again.
                The result is the same.

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
        if keep_every == 1 and frames.device.type == "cpu" and not torch.is_grad_enabled():
            yield from self._from_both_ends(frames)
            return
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
            for index, forward in self._walk(frames, range(start, stop), hidden):
                hidden = forward
                # Popping lets each frame's features go as soon as they are used.
                yield self._reconstruct(frames[:, index], features.pop(0), forward)

    def _from_both_ends(self, frames: Tensor) -> list[Tensor]:
        """All upscaled frames; the branches walk side by side, and from where they meet each finishes what it comes to.

        As many features are held as by one after the other: beyond the middle, every step lets two frames' go.
        """
        count = frames.shape[1]
        middle = count // 2
        to_the_middle = range(middle), range(count - 1, middle - 1, -1)
        early, late = in_parallel(lambda way: [each for _, each in self._walk(frames, way, None)], to_the_middle)

        def finish(half: tuple[range, Tensor | None, list[Tensor]]) -> dict[int, Tensor]:
            way, entering, others = half
            made: dict[int, Tensor] = {}
            for index, own in self._walk(frames, way, entering):
                pair = (others.pop(), own) if way.step > 0 else (own, others.pop())
                made[index] = self._reconstruct(frames[:, index], *pair)
            return made

        onwards = range(middle, count), early[-1] if early else None, late
        back = range(middle - 1, -1, -1), late[-1], early
        made = {index: frame for half in in_parallel(finish, (onwards, back)) for index, frame in half.items()}
        return [made[index] for index in range(count)]

    def _walk(self, frames: Tensor, way: range, hidden: Tensor | None) -> Iterator[tuple[int, Tensor]]:
        """The numbers of the frames along a way, and their features by the branch that goes in this direction.

        Args:
            frames: ``[B, T, 3, h, w]``.
            way: forwards or backwards, one by one.
            hidden: features of the frame before the first of the way; None past the clip's ends.
        """
        branch = self.forward_branch if way.step > 0 else self.backward_branch
        for index in way:
            check_wanted()
            neighbour = frames[:, index - way.step] if hidden is not None else None
            hidden = self._step(branch, frames[:, index], neighbour, hidden)
            yield index, hidden

    def _walk_back(self, frames: Tensor, start: int, stop: int, entering: Tensor | None) -> list[Tensor]:
        """Backward features of the frames ``start`` to ``stop``, given those of frame ``stop`` (None past the end)."""
        return [each for _, each in self._walk(frames, range(stop - 1, start - 1, -1), entering)][::-1]

    def _step(self, branch: Branch, frame: Tensor, neighbour: Tensor | None, hidden: Tensor | None) -> Tensor:
        """Carry the neighbour's features over to ``frame`` and refine them."""
        if neighbour is None or hidden is None:
            batch, _, height, width = frame.shape
            return branch(frame, frame.new_zeros(batch, self.config["channels"], height, width))
        flow = self.flow_network(frame, neighbour)
        return branch(frame, warp(hidden.to(flow.dtype), flow))

    def _reconstruct(self, frame: Tensor, backward: Tensor, forward: Tensor) -> Tensor:
        """Fuse both branches at one frame and enlarge: ``[B, 3, h, w]`` -> ``[B, 3, 4h, 4w]``."""
        enlarged = functional.interpolate(frame, scale_factor=4, mode="bilinear", align_corners=False)
        if torch.is_grad_enabled():
            return enlarged + self._detail(backward, forward, True, True)
        height, width = frame.shape[-2:]
        rows = max(8, (ON_CPU if frame.device.type == "cpu" else ON_GPU) // (16 * self.config["channels"] * width))
        bands = -(-height // rows)

        def add(band: int) -> None:
            top, bottom = height * band // bands, height * (band + 1) // bands
            seen = slice(max(0, top - MARGIN), bottom + MARGIN)
            detail = self._detail(backward[..., seen, :], forward[..., seen, :], top == 0, bottom == height)
            above = 0 if top == 0 else 2
            enlarged[..., 4 * top : 4 * bottom, :] += detail[..., above : above + 4 * (bottom - top), :]

        in_parallel(add, range(bands), frame.device)
        return enlarged

    def _detail(self, backward: Tensor, forward: Tensor, first: bool, last: bool) -> Tensor:
        """What is added to the enlarged frame, for a band of its rows.

        Args:
            backward: ``[B, C, r, w]``, features of the band's rows and of ``MARGIN`` rows above and below it.
            forward: the same of the other branch.
            first: whether the band begins where the frame does, and has no margin there.
            last: whether it ends where the frame does.

        Returns:
            ``[B, 3, R, 4w]``: the band with two rows above and below it, where it has margins, that are not valid.
        """
        x = functional.leaky_relu(self.fusion(torch.cat((backward, forward), dim=1)), 0.1, in_place())
        for convolution in (self.upconv1, self.upconv2):
            x = convolution(x)
            # The outermost row was computed as if zeros came after it.
            valid = x[..., 0 if first else 1 : None if last else -1, :]
            x = functional.leaky_relu(_doubled(valid), 0.1, in_place())
        x = functional.leaky_relu(self.conv_hr(x), 0.1, in_place())
        found: Tensor = self.conv_last(x)
        return found


def _doubled(x: Tensor) -> Tensor:
    """Pixel shuffle by 2, ``[B, 4C, h, w]`` -> ``[B, C, 2h, 2w]``, in the layout of ``x``."""
    if x.device.type != "cpu" or x.stride(1) == 1:
        return functional.pixel_shuffle(x, 2)
    # Of a tensor on a CPU that is not channels-last, torch's own takes four times as long as this copy of a view.
    batch, channels, height, width = x.shape
    apart = x.unflatten(1, (channels // 4, 2, 2)).permute(0, 1, 4, 2, 5, 3)
    return apart.reshape(batch, channels // 4, 2 * height, 2 * width)
