"""What both ways of ``benchmarks.sampler`` are given and give back: networks, frames, motion, noise, and a clock."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.configurations import EMBEDDED, FULL, Configuration
from models.folder import ModelFolder
from models.motion import Motion
from models.noise import frame_noise
from models.structure_encoder import StructureEncoder
from models.temporal import SpatialTemporalConv, TemporalAttention
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from models.warping import resize_flow

SEED = 42
PROMPT_LENGTH = 77
SIZES: dict[str, Configuration] = {"embedded": EMBEDDED, "full": FULL}


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The networks of one model, in evaluation mode, and the prompt they are given.

    Attributes:
        prompt: ``[1, length, d]``, or None.
        origin: where the weights come from, in words.
    """

    unet: DenoisingUNet
    structure_encoder: StructureEncoder
    vae: TemporalVAE
    prompt: Tensor | None
    origin: str

    @classmethod
    def build(cls, size: str, folder: Path | None = None) -> Networks:
        """Build networks of a size with random weights, or load those of a model folder that has them all.

        Args:
            size: "embedded" or "full".
            folder: a model folder; None is the embedded one, which counts for that size alone.
        """
        model = ModelFolder(folder)
        complete = all((model.root / part / "config.json").is_file() for part in ("unet", "structure_encoder", "vae"))
        if folder is not None or (size == "embedded" and complete):
            origin = f"weights of {_short(model.root)}"
            return cls(model.unet(), model.structure_encoder(), model.vae(), model.prompt(), origin)
        with torch.device("meta"):
            networks = SIZES[size].build()
        for network, seed in zip(networks, range(SEED, SEED + 3), strict=True):
            randomise(cast(nn.Module, network).to_empty(device="cpu").eval(), seed)
        width = networks[0].config.cross_attention_dim
        generator = torch.Generator().manual_seed(SEED)
        prompt = None if width is None else torch.randn(1, PROMPT_LENGTH, width, generator=generator)
        return cls(*networks, prompt, "random weights")

    def placed(
        self, device: torch.device, dtype: torch.dtype, memory_format: torch.memory_format, copied: bool = False
    ) -> Networks:
        """These networks on a device and in a type; those themselves if only the order in memory changes."""

        def place(network: nn.Module) -> nn.Module:
            if copied or device.type != "cpu" or dtype != torch.float32:
                network = copy.deepcopy(network).to(device=device, dtype=dtype)
            for parameter in network.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.data.contiguous(memory_format=memory_format)
            return network

        unet, structure_encoder, vae = (place(network) for network in (self.unet, self.structure_encoder, self.vae))
        prompt = None if self.prompt is None else self.prompt.to(device)
        return Networks(unet, structure_encoder, vae, prompt, self.origin)  # type: ignore[arg-type]


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def randomise(network: nn.Module, seed: int) -> None:
    """Fill a network with random weights so that every path counts, the ones that begin as zero, too."""
    generator = torch.Generator().manual_seed(seed)
    alphas = {id(m.temporal_alpha) for m in network.modules() if isinstance(m, SpatialTemporalConv | TemporalAttention)}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-1, 1, generator=generator)
            if id(parameter) in alphas:
                parameter.mul_(0.15).add_(0.5)
            elif parameter.dim() > 1:
                parameter.mul_((3 / parameter[0].numel()) ** 0.5)
            else:
                parameter.mul_(0.05)
        for norm in network.modules():
            if isinstance(norm, nn.GroupNorm | nn.LayerNorm) and norm.weight is not None:
                norm.weight.add_(1)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Frames to restore, all made up but smooth and moving like frames.

    Attributes:
        images: ``[n, 3, H, W]`` in [-1, 1]: the initial estimate.
        motion: between them, at latent size.
        posterior: ``[n, C, h, w]``, the noise that the encoder's posterior is drawn with.
    """

    images: Tensor
    motion: Motion
    posterior: Tensor

    @classmethod
    def build(cls, networks: Networks, frames: int, height: int, width: int, device: torch.device) -> Case:
        """Make up ``frames`` frames of a size that is a multiple of the VAE's."""
        factor, channels = networks.vae.downscale, networks.vae.config.latent_channels
        hw = (height // factor, width // factor)
        generator = torch.Generator().manual_seed(SEED)

        def smooth(count: int, channels: int, size: tuple[int, int], knots: int) -> Tensor:
            coarse = torch.randn(count, channels, knots, knots, generator=generator)
            return functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)

        forward = resize_flow(smooth(frames - 1, 2, (height, width), 4) * factor, hw)
        backward = -forward + 0.1 * torch.randn(forward.shape, generator=generator)
        picture = smooth(1, 3, (height, width), 24).expand(frames, -1, -1, -1)
        images = (0.4 * picture + 0.1 * smooth(frames, 3, (height, width), 48)).clamp(-1, 1)
        posterior = torch.randn(frames, channels, *hw, generator=generator)
        return cls(images.to(device), Motion.from_flow(forward, backward).to(device), posterior.to(device))

    def noise(self, frame: int, step: int | str) -> Tensor:
        """The sampler's noise, the same for both ways."""
        return frame_noise(SEED, "benchmark", frame, step, self.posterior.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What comes out: scaled latents ``[n, C, h, w]`` and frames ``[n, 3, H, W]``, both float32."""

    latents: Tensor
    frames: Tensor


@dataclass(slots=True)
class Clock:
    """Seconds by part, of the wall's clock and of all processor cores together.

    Attributes:
        device: on a GPU the clock waits for it at both ends of a part.
    """

    device: torch.device
    wall: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    processor: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add what the block takes to a part."""
        wall, processor = self._now()
        yield
        after = self._now()
        self.wall[name] += after[0] - wall
        self.processor[name] += after[1] - processor

    def _now(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter(), time.process_time()
