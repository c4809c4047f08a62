"""The VAE's encoder and decoder as steps of ``models.exact_tiles``: bounded memory, and no tile shows.

The middle block, whose attention sees the whole frame, is run whole: it is at the latent's size. Temporal layers see
all frames of the window at a pixel, so tiles are of whole windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, cast

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from models.exact_tiles import TiledChain
from models.fusion import FeatureFusion
from models.image_fusion import ImageFusion
from models.tile_steps import Doubling, Halving, Keep, Layer, Merge, NormSiLU, Save, Step
from models.vae_decoder import DecoderLevel, TemporalDecoder
from models.vae_encoder import EncoderLevel, FrameEncoder

Memory = Literal["less", "least"]
"""Which activations are whole in memory: with "less" all but the widest, so that little is computed twice; with "least"
none that is as large as the frame, at the cost of more than twice the work."""


def encode_tiled(encoder: FrameEncoder, images: Tensor, tile: int, keep: Memory) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What ``FrameEncoder.forward`` returns, computed frame by frame and in tiles.

    Args:
        encoder: in evaluation mode.
        images: ``[n, c, H, W]``.
        tile: largest side of a tile, in pixels of the latent.
        keep: see ``Memory``.
    """
    results: list[Tensor] = []
    for number in range(len(images)):
        moments, features = _encode_tiled(encoder, images[number : number + 1], tile, keep)
        for place, part in enumerate((moments, *features)):
            if not number:
                results.append(part.new_empty(len(images), *part.shape[1:]))
            results[place][number : number + 1] = part
    return results[0], tuple(results[1:])


def _encode_tiled(encoder: FrameEncoder, images: Tensor, tile: int, keep: Memory) -> tuple[Tensor, tuple[Tensor, ...]]:
    levels = list(cast(Iterable[EncoderLevel], encoder.levels))
    features: list[Tensor] = []
    steps: list[Step] = [Layer(encoder.conv_in, 1)]
    for number, level in enumerate(levels):
        for resnet in cast(Iterable[ResnetBlock2D], level.resnets):
            steps += _resnet(resnet)
        if number:
            steps.append(Keep(features.append))
        if level.downsampler is not None:
            steps.append(Halving(level.downsampler))
    factor = 2 ** (len(levels) - 1)
    x = TiledChain(steps, tile * factor, _largest(levels[0], levels[1:2], images.shape[-2:], keep))(images)
    x = encoder.middle(x, num_frames=1)
    return encoder.conv_out(functional.silu(encoder.norm_out(x))), tuple(features)


def decode_tiled(
    decoder: TemporalDecoder,
    latents: Tensor,
    features: Sequence[Tensor],
    fusion_weight: float,
    num_frames: int,
    tile: int,
    keep: Memory,
) -> Tensor:
    """What ``TemporalDecoder.forward`` returns for the same arguments, computed in tiles.

    Args:
        decoder: in evaluation mode.
        latents: ``[n, c, h, w]``.
        features: none means no fusion.
        fusion_weight: of the features.
        num_frames: frames in a window.
        tile: largest side of a tile, in pixels of the latent.
        keep: see ``Memory``.
    """
    levels = list(cast(Iterable[DecoderLevel], decoder.levels))
    waiting = list(features)
    steps: list[Step] = []
    for level in levels:
        feature = waiting.pop() if waiting and level.upsampler is not None else None
        for resnet, temporal in zip(cast(Iterable[ResnetBlock2D], level.resnets), level.temporal, strict=True):
            steps += [*_resnet(resnet), Layer(partial(temporal, num_frames=num_frames))]
        if level.fusion is not None and feature is not None:
            steps += _fusion(level.fusion, feature, fusion_weight)
        if level.upsampler is not None:
            steps.append(Doubling(level.upsampler))
    steps.append(NormSiLU(decoder.norm_out))
    if decoder.image_fusion is None or not waiting:
        steps.append(Layer(decoder.conv_out, 1))
    else:
        steps += _image_fusion(decoder.conv_out, decoder.image_fusion, waiting.pop(), fusion_weight)
    x = decoder.middle(decoder.conv_in(latents), num_frames)
    size = tuple(side * 2 ** (len(levels) - 1) for side in latents.shape[-2:])
    return TiledChain(steps, tile, _largest(levels[-1], levels[-2:-1], size, keep))(x)


def _largest(
    shallowest: EncoderLevel | DecoderLevel,
    second: Sequence[EncoderLevel | DecoderLevel],
    size: Sequence[int],
    keep: Memory,
) -> int:
    """How large an activation may be whole: the second level's output with "least", else the shallowest's too."""
    height, width = size
    least = _channels(second[0]) * (height // 2) * (width // 2) if second else 0
    if keep == "least" and second:
        return least
    return max(least, _channels(shallowest) * height * width)


def _channels(level: EncoderLevel | DecoderLevel) -> int:
    return cast(ResnetBlock2D, level.resnets[-1]).out_channels


def _resnet(block: ResnetBlock2D) -> list[Step]:
    """Norm, SiLU, convolution, twice, and the input added, by a 1 x 1 convolution if channels change."""

    def add(x: Tensor, given: Tensor, beside: Tensor | None) -> Tensor:
        return x + (given if block.conv_shortcut is None else block.conv_shortcut(given))

    return [Save(), *_trunk(block), Merge(add)]


def _trunk(block: ResnetBlock2D) -> list[Step]:
    norms = [NormSiLU(cast(nn.GroupNorm, norm)) for norm in (block.norm1, block.norm2)]
    return [norms[0], Layer(block.conv1, 1), norms[1], Layer(block.conv2, 1)]


def _fusion(fusion: FeatureFusion, feature: Tensor, weight: float) -> list[Step]:
    """``d + w * refine(dense(reduce(cat(e, d))))``; e and d are read again rather than their concatenation kept."""
    reduce, margin = fusion.reduce, sum(len(block.convs) for block in fusion.dense)  # type: ignore[arg-type, misc]

    def beside(x: Tensor, decoded: Tensor, encoded: Tensor | None) -> Tensor:
        assert encoded is not None
        return torch.cat((encoded, decoded), dim=1)

    def add(x: Tensor, decoded: Tensor, encoded: Tensor | None) -> Tensor:
        both = beside(x, decoded, encoded)
        return x + (both if reduce.conv_shortcut is None else reduce.conv_shortcut(both))

    def fuse(x: Tensor, decoded: Tensor, encoded: Tensor | None) -> Tensor:
        return decoded + weight * x

    def dense(x: Tensor) -> Tensor:
        for block in fusion.dense:
            x = block(x)
        return x

    return [
        Save(),
        Merge(beside, feature, forget=False),
        *_trunk(reduce),
        Merge(add, feature, forget=False),
        Layer(dense, margin),
        *_resnet(fusion.refine),
        Merge(fuse),
    ]


def _image_fusion(conv_out: nn.Module, fusion: ImageFusion, image: Tensor, weight: float) -> list[Step]:
    """The last convolution, and the frame itself fused into what it gives."""

    def beside(x: Tensor, hidden: Tensor, encoded: Tensor | None) -> Tensor:
        assert encoded is not None
        return torch.cat((encoded, x, hidden), dim=1)

    def correct(x: Tensor) -> Tensor:
        channels = image.shape[1]
        encoded, decoded, hidden = x.split((channels, channels, x.shape[1] - 2 * channels), dim=1)
        return fusion(decoded, encoded, hidden, weight)

    return [Save(), Layer(conv_out, 1), Merge(beside, image), Layer(correct, 2)]
