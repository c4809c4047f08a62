"""What the full networks hold in memory, counted without data: tensors that live at once, in half precision.

    python -m benchmarks.counted_memory [--frames 1280x720 3840x2160] [--json FILE]

The networks' calls of the stages are replayed on torch's meta device, at the sizes of the output, with the settings of
the presets `balanced` and `fast`: encoding a frame and a denoising step of a batch (*sample*), encoding and decoding a
window (*decode*). Attention is taken to keep no table of scores, as GPUs' fused kernels do not. Work spaces within
operations, what an allocator keeps, and the temporal filter's frames are not seen. Needs no GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmarks.record import given, write_result
from models.canvas import REFERENCE_SCALE, canvas_for_output
from models.configurations import FULL
from models.live_tensors import LiveTensors
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from pipeline.presets import PRESETS
from stages.sample.config import USUAL_BATCH

GIB = 2**30


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.counted_memory", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--frames", nargs="+", default=["1280x720", "3840x2160"], help="sizes of the output")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


class Counted:
    """The full networks in bfloat16, without data."""

    def __init__(self) -> None:
        with torch.device("meta"):
            self.unet = DenoisingUNet(**FULL.unet).bfloat16().eval()
            self.structure_encoder = StructureEncoder(**FULL.structure_encoder).bfloat16().eval()
            self.vae = TemporalVAE(**FULL.vae).bfloat16().eval()

    def rows(self, width: int, height: int) -> dict[str, float]:
        """GiB by part for an output of this size: of weights, and at most alive at once beside them."""
        sample, decode = (PRESETS["balanced"].values[stage] for stage in ("sample", "decode"))
        window, tile = decode["window_frames"], decode["tile"]
        padded = canvas_for_output((height // REFERENCE_SCALE, width // REFERENCE_SCALE), (height, width)).padded

        def encode_and_decode() -> None:
            encoded = self.vae.encode(_empty(window, 3, *padded), tile)
            self.vae.decode(encoded.mean, encoded.features, 1.0, window, tile=tile)

        return {
            "sample: weights": _weights(self.unet, self.structure_encoder, self.vae.encoder),
            "sample: encode a frame": _peak(lambda: self.vae.encode(_empty(1, 3, *padded), sample["encode_tile"])),
            "sample: a step": _peak(lambda: self._step(sample["tile"])),
            "decode: weights": _weights(self.vae),
            "decode: a window": _peak(encode_and_decode),
        }

    def _step(self, tile: int) -> Tensor:
        frames = self.unet.config.num_frames
        latents, time = _empty(USUAL_BATCH * frames, 4, tile, tile), torch.empty(1, dtype=torch.int64, device="meta")
        prompt = _empty(1, 77, self.unet.config.cross_attention_dim)
        return self.unet(latents, time, prompt, self.structure_encoder(latents, time), frames)


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16, device="meta")


def _weights(*networks: nn.Module) -> float:
    return sum(each.numel() * each.element_size() for network in networks for each in network.parameters()) / GIB


def _peak(call: Callable[[], Any]) -> float:
    attention = "torch.nn.functional.scaled_dot_product_attention"
    with patch(attention, _fused_attention), torch.no_grad(), LiveTensors() as memory:
        call()
    return memory.peak / GIB


def _fused_attention(query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
    return query.new_empty(*query.shape[:-1], value.shape[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the table, write the JSON."""
    options = parse(arguments)
    counted = Counted()
    found = {frame: counted.rows(*map(int, frame.split("x"))) for frame in options.frames}
    print(f"{'GiB':28}{''.join(f'{frame:>12}' for frame in found)}")
    for part in next(iter(found.values())):
        print(f"{part:28}{''.join(f'{rows[part]:12.2f}' for rows in found.values())}")
    write_result(options.json, {"gibibytes": found, "options": given(options)})


if __name__ == "__main__":
    main()
