"""The temporal VAE: image encoder, posterior, and a decoder that sees neighbouring frames (golden README section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.latent_size import downscale
from models.layers import per_level
from models.vae_decoder import TemporalDecoder
from models.vae_encoder import FrameEncoder
from models.vae_tiled import Memory, decode_tiled, encode_tiled


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """What the encoder knows of n frames.

    Attributes:
        mean: mean of the posterior, ``[n, c, h, w]``, not scaled.
        logvar: logarithm of its variance, clamped to [-30, 20], same shape.
        features: for fusion, one tensor per level but the first, shallow ones first (the deepest is not fused); before
            them the frame itself, ``[n, 3 * patch_size**2, ...]``, where the network fuses that too.
    """

    mean: Tensor
    logvar: Tensor
    features: tuple[Tensor, ...]

    def sample(self, eps: Tensor) -> Tensor:
        """Return ``mean + std * eps``: the latent that the published system uses; ``eps`` is standard normal."""
        return self.mean + torch.exp(0.5 * self.logvar) * eps

    def mode(self) -> Tensor:
        """Return the most likely latent."""
        return self.mean


class TemporalVAE(ModelMixin, ConfigMixin):
    """Autoencoder of frames, after the published "video VAE".

    Args:
        in_channels: channels of a frame.
        latent_channels: channels of a latent.
        z_channels: channels between the encoder and the quantisation layer; None means ``latent_channels``.
        base_channels: channels after the encoder's first convolution; None means the first of ``block_out_channels``.
        block_out_channels: channels of each level from full size down; k levels make latents ``2**(k - 1)`` times
            smaller than frames.
        layers_per_block: residual blocks of an encoder level, for all or for each; the decoder has one more.
        norm_groups: groups of all group norms.
        mid_attention: whether encoder and decoder have self-attention at the smallest size.
        fusion_growth: growth of the dense blocks in the fusion layers.
        patch_size: side of the square of pixels that the networks see as one place (pixel-unshuffled); 1 is published.
        image_fusion: whether the low-quality frame itself is the shallowest of the fused features; not published.
        num_frames: frames in a window, unless ``decode`` is told otherwise.
        scaling_factor: what a sampled latent is multiplied by before diffusion. The network never does this itself.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 4,
        z_channels: int | None = None,
        base_channels: int | None = None,
        block_out_channels: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int | Sequence[int] = 2,
        norm_groups: int = 32,
        mid_attention: bool = True,
        fusion_growth: int = 32,
        patch_size: int = 1,
        image_fusion: bool = False,
        num_frames: int = 5,
        scaling_factor: float = 0.18215,
    ) -> None:
        super().__init__()
        z_channels = latent_channels if z_channels is None else z_channels
        layers = per_level(layers_per_block, len(block_out_channels))
        self.encoder = FrameEncoder(
            in_channels=in_channels * patch_size**2,
            moment_channels=2 * z_channels,
            base_channels=block_out_channels[0] if base_channels is None else base_channels,
            block_out_channels=block_out_channels,
            layers_per_block=layers,
            norm_groups=norm_groups,
            mid_attention=mid_attention,
        )
        self.quant_conv = nn.Conv2d(2 * z_channels, 2 * latent_channels, kernel_size=1)
        self.post_quant_conv = nn.Conv2d(latent_channels, z_channels, kernel_size=1)
        self.decoder = TemporalDecoder(
            in_channels=z_channels,
            out_channels=in_channels * patch_size**2,
            block_out_channels=block_out_channels,
            layers_per_block=layers,
            norm_groups=norm_groups,
            mid_attention=mid_attention,
            fusion_growth=fusion_growth,
            image_fusion=image_fusion,
        )

    @property
    def downscale(self) -> int:
        """How many times smaller than a frame a latent is, in each direction."""
        return downscale(self.config)

    @property
    def feature_count(self) -> int:
        """How many tensors ``features`` holds."""
        return len(self.config.block_out_channels) - 1 + int(self.config.image_fusion)

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the last convolution on the way to the frames; an adversarial loss is weighed there."""
        fusion = self.decoder.image_fusion
        return cast(nn.Parameter, self.decoder.conv_out.weight if fusion is None else fusion.conv2.weight)

    def encode(self, images: Tensor, tile: int | None = None, keep: Memory = "less") -> EncodedFrames:
        """Encode frames, each for itself.

        Args:
            images: ``[n, 3, H, W]`` in [-1, 1]; H and W multiples of ``downscale``.
            tile: largest side, in latent pixels, of what is computed at once; see ``decode``.
            keep: see ``decode``.

        Raises:
            ValueError: the size is no multiple of ``downscale``.
        """
        height, width = images.shape[-2:]
        if height % self.downscale or width % self.downscale:
            raise ValueError(f"frames of {width}x{height} must be padded to multiples of {self.downscale}")
        patches = functional.pixel_unshuffle(images, self.config.patch_size)
        if tile is None or max(height, width) <= tile * self.downscale:
            moments, features = self.encoder(patches)
        else:
            moments, features = encode_tiled(self.encoder, patches, tile, keep)
        mean, logvar = self.quant_conv(moments).chunk(2, dim=1)
        if self.config.image_fusion:
            features = (patches, *features)
        return EncodedFrames(mean, logvar.clamp(-30.0, 20.0), features)

    def decode(
        self,
        latents: Tensor,
        features: Sequence[Tensor] = (),
        fusion_weight: float = 1.0,
        num_frames: int | None = None,
        tile: int | None = None,
        keep: Memory = "less",
    ) -> Tensor:
        """Decode whole windows.

        Args:
            latents: ``[n, c, h, w]``, already divided by ``scaling_factor``.
            features: the ``features`` of ``encode`` for the same n frames.
            fusion_weight: how much of the fusion layers' output is added; with 0 they are skipped.
            num_frames: frames in a window; n must be a multiple. None means the configured number.
            tile: largest side, in latent pixels, of what is computed at once at full width; None means all of it. Tiles
                leave no trace (``models.exact_tiles``), save memory, and cost time: see there. For inference alone.
            keep: how far to go: "less" memory with little more work, or the "least" with more than twice the work.

        Returns:
            frames ``[n, 3, H, W]``, about [-1, 1], not clamped.

        Raises:
            ValueError: n is no multiple of ``num_frames``, or features are missing or do not fit.
        """
        if fusion_weight and len(features) != self.feature_count:
            raise ValueError(f"fusion needs {self.feature_count} features, not {len(features)}")
        window = self.config.num_frames if num_frames is None else num_frames
        inputs = self.post_quant_conv(latents), features if fusion_weight else (), fusion_weight, window
        if tile is None or max(latents.shape[-2:]) <= tile:
            patches = self.decoder(*inputs)
        else:
            patches = decode_tiled(self.decoder, *inputs, tile, keep)
        return functional.pixel_shuffle(patches, self.config.patch_size)

    def forward(
        self, images: Tensor, eps: Tensor | None = None, fusion_weight: float = 1.0, num_frames: int | None = None
    ) -> Tensor:
        """Encode and decode ``images [n, 3, H, W]``, sampling with ``eps [n, c, h, w]`` if given; same shape."""
        encoded = self.encode(images)
        latents = encoded.mode() if eps is None else encoded.sample(eps)
        return self.decode(latents, encoded.features, fusion_weight, num_frames)
