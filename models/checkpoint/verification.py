"""Comparing what a checkpoint repeats with what takes its place: the schedule's numbers, the image encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from models.checkpoint.renaming import CheckpointError, select
from models.schedule import DiffusionSchedule

IMAGE_AUTOENCODER = "first_stage_model."
"""Prefix of the image autoencoder in the published diffusion checkpoint."""

SCHEDULE_BUFFERS = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)
"""Names of the schedule's numbers, in the checkpoint and in ``DiffusionSchedule``."""

SHARED_WITH_VAE = ("encoder.", "quant_conv.")

TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Relative difference from rounding alone, by the type in which numbers are stored."""


def check_schedule(state: Mapping[str, Tensor], ours: DiffusionSchedule) -> None:
    """Check the schedule's numbers, as far as the checkpoint holds them.

    Raises:
        CheckpointError: the checkpoint was trained on another schedule.
    """
    for name in SCHEDULE_BUFFERS:
        if name not in state:
            continue
        theirs, expected = state[name], getattr(ours, name)
        if theirs.shape != expected.shape:
            raise CheckpointError(
                f"its {name} has the shape {tuple(theirs.shape)}, not {tuple(expected.shape)}: "
                "it was trained on another schedule than Stable Diffusion's"
            )
        limit = TOLERANCE.get(theirs.dtype, 1e-5)
        near = torch.isclose(theirs.float(), expected, rtol=limit, atol=6e-8)
        if not near.all():
            index = int((~near).nonzero()[0])
            raise CheckpointError(
                f"its {name}[{index}] is {theirs[index].item():g}, not {expected[index].item():g}: "
                "it was trained on another schedule than Stable Diffusion's"
            )


def check_scale(state: Mapping[str, Tensor], ours: float) -> None:
    """Check the factor of the latents where the checkpoint holds one; CheckpointError if it is another."""
    if "scale_factor" in state and abs(state["scale_factor"].item() - ours) > 1e-3 * ours:
        raise CheckpointError(f"its scale_factor is {state['scale_factor'].item():g}, not {ours:g}")


def compare_encoders(diffusion: Mapping[str, Tensor], vae: Mapping[str, Tensor]) -> list[str]:
    """Compare the image encoder in the diffusion checkpoint with the video VAE's, which should be the same.

    Args:
        diffusion: tensors of the diffusion checkpoint, under their whole names.
        vae: tensors of the video VAE's.

    Returns:
        at most one line, saying how they differ: values, shapes, tensors that the VAE lacks.
    """
    image = {
        key: value for key, value in select(diffusion, IMAGE_AUTOENCODER).items() if key.startswith(SHARED_WITH_VAE)
    }
    differing, largest = 0, 0.0
    for key, theirs in image.items():
        ours = vae.get(key)
        if ours is None or ours.shape != theirs.shape:
            differing += 1
            continue
        if ours.is_meta or theirs.is_meta:
            continue
        limit = 0.0 if ours.dtype == theirs.dtype else max(TOLERANCE.get(t.dtype, 1e-5) for t in (ours, theirs))
        gap = (ours.float() - theirs.float()).abs()
        if not (gap <= limit * ours.float().abs() + (1e-6 if limit else 0.0)).all():  # so that NaN differs
            differing += 1
            largest = max(largest, gap.nan_to_num(nan=math.inf).max().item())
    if not differing:
        return []
    how = f", by up to {largest:.3g}" if 0 < largest < math.inf else ""
    how += ", some in values that are not numbers" if largest == math.inf else ""
    return [
        f"the image encoder in the diffusion checkpoint is not the video VAE's: {differing} of {len(image)} tensors "
        f"differ{how}; the VAE's is used for both, so the two files may not belong together"
    ]
