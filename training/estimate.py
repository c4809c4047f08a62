"""Fine-tuning of the initial estimate: a cleaning module learns to undo damage, the upscaling learns to follow it.

The recurrent network was trained on frames that had only been shrunk. It gets a cleaning module, which starts as the
identity, and both are trained on damaged clips as they are drawn, not on stored estimates. The optical flow inside the
network stays as it is: it is frozen, and better fed by cleaner frames.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.basicvsr import BasicVSR
from training.clips import ClipDataset
from training.degradations import shrink
from training.estimates import crop_clip
from training.log import Pictures
from training.loop import StepFunction
from training.recipe import Recipe
from training.terms import changes, distribution_distance


def with_cleaning(network: BasicVSR, channels: int, blocks: int) -> BasicVSR:
    """A copy of the network with a cleaning module, fresh unless it has one, and with its flow frozen.

    Raises:
        ValueError: if it has one of another size.
    """
    config = network.config
    if config.cleaning_channels and (config.cleaning_channels, config.cleaning_blocks) != (channels, blocks):
        raise ValueError(
            f"the initial estimate has a cleaning module of {config.cleaning_channels} channels and "
            f"{config.cleaning_blocks} blocks; the recipe wants {channels} and {blocks}"
        )
    copy = BasicVSR(
        config.channels, config.num_blocks, config.num_levels, channels, blocks, cleaning_passes=config.cleaning_passes
    )
    copy.load_state_dict(network.state_dict(), strict=bool(config.cleaning_channels))
    copy.flow_network.requires_grad_(False)
    return copy


def charbonnier(restored: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of ``sqrt(difference ** 2 + epsilon ** 2)``: the absolute difference, but smooth at 0."""
    return ((restored.float() - target).square() + epsilon**2).sqrt().mean()


def draw_clips(
    clips: ClipDataset, recipe: Recipe, step: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The clips of one step: damaged ``[B, T, 3, h, w]`` and wanted ``[B, T, 3, 4h, 4w]``, both in [0, 1].

    Every prepared clip comes once before the first comes again, damaged otherwise.

    Raises:
        ValueError: if the prepared clips are smaller or shorter than the recipe's crops, or damaged.
    """
    # Smaller clips would be cropped to what they have, and could not be stacked with others or would not be noticed.
    clips.require(recipe.side, recipe.frames)
    numbers = range(step * recipe.batch, (step + 1) * recipe.batch)
    # Damage is done in full precision, whatever the network is trained in.
    with torch.autocast("cpu", enabled=False):
        pairs = [crop_clip(*clips[number], recipe, generator) for number in numbers]
    low, target = (torch.stack(frames).to(device) for frames in zip(*pairs, strict=True))
    return low, target


def restore(network: BasicVSR, low: Tensor) -> tuple[Tensor, Tensor]:
    """Clean and enlarge ``[B, T, 3, h, w]``: the cleaned frames, and the estimates ``[B, T, 3, 4h, 4w]``."""
    cleaned = network.clean(low)
    return cleaned, torch.stack(list(network.propagate(cleaned)), dim=1)


def estimate_step(network: BasicVSR, clips: ClipDataset, recipe: Recipe) -> StepFunction:
    """Make the step function: estimates against targets, cleaned frames against targets that were shrunk cleanly.

    Flicker and texture of the estimates count where the recipe says so (``training.terms``).
    """

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        low, target = draw_clips(clips, recipe, number, generator, network.device)
        cleaned, restored = restore(network, low)
        clean = shrink(target.flatten(0, 1), (low.shape[-2], low.shape[-1]))
        terms = {"pixel": charbonnier(restored, target), "cleaning": charbonnier(cleaned.flatten(0, 1), clean)}
        if recipe.terms.get("frame_difference"):
            terms["frame_difference"] = charbonnier(changes(restored), changes(target))
        if recipe.terms.get("distribution"):
            terms["distribution"] = distribution_distance(restored.flatten(0, 1), target.flatten(0, 1), generator)
        if recipe.terms.get("motion_distribution"):
            terms["motion_distribution"] = distribution_distance(changes(restored), changes(target), generator)
        return terms

    return step


def estimate_pictures(network: BasicVSR, clips: ClipDataset, recipe: Recipe) -> Pictures:
    """Damaged, cleaned, restored, target; always of the same clip."""
    drawn = draw_clips(clips, recipe, 0, torch.Generator().manual_seed(recipe.seed), network.device)
    low, target = (frames[:1] for frames in drawn)

    def pictures() -> Mapping[str, Tensor]:
        cleaned, restored = restore(network, low)
        damaged, clean = (functional.interpolate(frames[0], scale_factor=4.0) for frames in (low, cleaned))
        shown = {"damaged": damaged, "cleaned": clean, "restored": restored[0], "target": target[0]}
        return {name: frames * 2 - 1 for name, frames in shown.items()}

    return pictures
