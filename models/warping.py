"""Moving latents and frames along optical flow, and where the flow cannot be trusted (golden README, section 6)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def resize_flow(flow: Tensor, hw: tuple[int, int]) -> Tensor:
    """Resize a flow field, its vectors with it.

    Args:
        flow: ``[..., 2, H, W]``, (x, y) in pixels.
        hw: the new height and width.

    Returns:
        ``[..., 2, *hw]``, in pixels of the new size; bilinear, not antialiased.
    """
    height, width = flow.shape[-2:]
    factors = flow.new_tensor([hw[1] / width, hw[0] / height]).view(2, 1, 1)
    scaled = (flow * factors).reshape(-1, 2, height, width)
    resized = functional.interpolate(scaled, size=hw, mode="bilinear", align_corners=False)
    return resized.reshape(*flow.shape[:-2], *hw)


def sampling_grid(flow: Tensor) -> Tensor:
    """``[N, H, W, 2]`` coordinates for ``grid_sample`` (align_corners) at (column + x, row + y) of ``[N, 2, H, W]``."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    # A side of one pixel spans nothing: ``warp_by_grid`` gives it a second, zero pixel, so that it spans 1.
    x = 2.0 * (columns + flow[:, 0]) / max(width - 1, 1) - 1.0
    y = 2.0 * (rows + flow[:, 1]) / max(height - 1, 1) - 1.0
    return torch.stack((x, y), dim=-1)


def warp_by_grid(x: Tensor, grid: Tensor) -> Tensor:
    """Sample ``x`` ``[N, C, H, W]`` at the coordinates of ``sampling_grid``, bilinear, zeros outside."""
    height, width = x.shape[-2:]
    if height == 1 or width == 1:
        x = functional.pad(x, (0, int(width == 1), 0, int(height == 1)))
    return functional.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="zeros", align_corners=True)


def unwarp_by_grid(slopes: Tensor, grid: Tensor) -> Tensor:
    """The transpose of ``warp_by_grid``, which is its gradient: ``[N, C, H, W]`` -> the same shape."""
    height, width = slopes.shape[-2:]
    # Only the size of what was warped is asked for: a column or row of zeros where a side has one pixel.
    like = slopes.new_zeros(*slopes.shape[:2], max(height, 2), max(width, 2))
    bilinear, zeros, align_corners, wanted = 0, 0, True, [True, False]
    moved, _ = torch.ops.aten.grid_sampler_2d_backward(
        slopes.contiguous(), like, grid.to(slopes.dtype), bilinear, zeros, align_corners, wanted
    )
    return moved[..., :height, :width]


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """W(x; f): sample ``x`` ``[N, C, H, W]`` at (column + f_x, row + f_y), bilinear, zeros outside.

    Args:
        x: what to move.
        flow: ``[N, 2, H, W]``, (x, y) in pixels of ``x``.
    """
    return warp_by_grid(x, sampling_grid(flow))


def occlusion_masks(forward: Tensor, backward: Tensor, alpha: float = 0.01, beta: float = 0.5) -> tuple[Tensor, Tensor]:
    """Forward-backward consistency: where one flow does not lead back along the other.

    Occluded where ``|F + W(B; F)| > alpha * (|F| + |B|) + beta``; what moves out of the picture usually is.

    Args:
        forward: ``[..., 2, H, W]``: from frame i to i + 1, given on frame i.
        backward: the same shape: from frame i + 1 to i, given on frame i + 1.
        alpha: share of the motion that the way there and back may miss by.
        beta: pixels that it may miss by in any case.

    Returns:
        Masks ``[..., 1, H, W]`` of the flows' type, 1 = occluded: on frame i, and on frame i + 1.
    """
    lead, (height, width) = forward.shape[:-3], forward.shape[-2:]
    there, back = (flow.reshape(-1, 2, height, width) for flow in (forward, backward))
    limit = alpha * (_length(there) + _length(back)) + beta
    forward_mask = _length(there + warp(back, there)) > limit
    backward_mask = _length(back + warp(there, back)) > limit
    shape = (*lead, 1, height, width)
    return forward_mask.to(forward.dtype).reshape(shape), backward_mask.to(forward.dtype).reshape(shape)


def _length(flow: Tensor) -> Tensor:
    return torch.linalg.vector_norm(flow, dim=1, keepdim=True)
