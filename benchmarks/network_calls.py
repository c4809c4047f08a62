"""Networks on a device, each by itself, and the calls of them that are timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.sampler_case import Networks, randomise
from models.choices import Compilation
from models.compiling import compile_networks
from models.raft import RAFT
from models.winograd import use_winograd

WINDOW, SCALE = 5, 4


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of a network: ``run`` does it for ``frames`` frames."""

    frames: int
    run: Callable[[], object]


class Bench:
    """Networks on a device, and the calls that are timed.

    Args:
        size: of the networks.
        device: where.
        dtype: of weights and inputs.
        channels_last: order of both in memory.
        compilation: of the networks.
        tile: of the autoencoder, in latent pixels; None is all at once.
        batch: tiles times windows of a denoising step.
        winograd: whether convolutions may take fewer multiplications, where a CPU can (``models.winograd``).
    """

    def __init__(
        self,
        size: str,
        device: torch.device,
        dtype: torch.dtype,
        channels_last: bool,
        compilation: Compilation,
        tile: int | None,
        batch: int,
        winograd: bool = True,
    ) -> None:
        self.device, self.dtype, self.tile, self.batch = device, dtype, tile, batch
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.networks = Networks.build(size).placed(device, dtype, layout, copied=True)
        vae = self.networks.vae
        compiled = (self.networks.unet, self.networks.structure_encoder, vae.encoder, vae.decoder)
        raft = RAFT().eval()
        randomise(raft, 1)
        self.raft = raft.to(device)  # always in float32, as the flow stage runs it
        if winograd:
            use_winograd((*compiled, self.raft))
        compile_networks(compiled, compilation)

    def call(self, part: str, height: int, width: int, latent_tile: int) -> Call:
        """The call that a row times."""
        vae = self.networks.vae
        if part == "encode":
            image = self._random(1, 3, height, width)
            return Call(1, lambda: vae.encode(image, self.tile))
        if part == "decode":
            images = self._random(WINDOW, 3, height, width)
            encoded = vae.encode(images, self.tile)
            return Call(WINDOW, lambda: vae.decode(encoded.mean, encoded.features, 1.0, WINDOW, self.tile))
        if part == "step":
            channels = vae.config.latent_channels
            latents = self._random(self.batch * WINDOW, channels, latent_tile, latent_tile)
            return Call(self.batch * WINDOW, lambda: self._step(latents))
        pair = [self._random(1, 3, height // SCALE, width // SCALE).float() for _ in range(2)]
        return Call(1, lambda: (self.raft(*pair), self.raft(*reversed(pair))))

    def _step(self, latents: Tensor) -> Tensor:
        networks, time_ = self.networks, torch.tensor([500], device=self.device)
        prompt = None if networks.prompt is None else networks.prompt.to(latents.dtype)
        features = networks.structure_encoder(latents, time_)
        return networks.unet(latents, time_, prompt, features, num_frames=WINDOW)

    def _random(self, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(shape, generator=generator).to(self.device, self.dtype)
