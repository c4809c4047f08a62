"""Compression by real video codecs: H.264, MPEG-4 part 2 and MPEG-2, at a quality drawn from the generator.

The same generator and the same libraries give the same frames: one codec thread, and colour conversion in torch,
because FFmpeg's scaler rounds as the processor's instructions suggest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.optics import chance, rgb_to_ycbcr, uniform, ycbcr_to_rgb

CODECS = ("h264", "mpeg4", "mpeg2video")
BLOCK = 16
"""Side of a macroblock: frames are padded to whole ones."""


@dataclass(frozen=True, slots=True)
class VideoCompression:
    """How a clip is compressed.

    Attributes:
        codec: one of ``CODECS``.
        quality: x264's rate factor (18 fine, 35 coarse), or the quantiser of the MPEG codecs (2 to 14).
        b_frames: pictures between two that others are predicted from.
        group: distance of pictures that need no others.
    """

    codec: str
    quality: float
    b_frames: int
    group: int

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's names of them."""
        options = {"bf": str(self.b_frames), "g": str(self.group), "threads": "1"}
        if self.codec == "h264":
            return options | {"preset": "veryfast", "crf": f"{self.quality:.1f}"}
        step = str(round(self.quality))
        return options | {"qmin": step, "qmax": step, "b": "20M"}


def draw_compression(generator: torch.Generator) -> VideoCompression:
    """A codec, a quality from good to poor, and the structure of its groups of pictures."""
    codec = CODECS[int(torch.randint(len(CODECS), (), generator=generator))]
    quality = uniform(18, 35, generator) if codec == "h264" else uniform(2, 14, generator)
    b_frames = int(torch.randint(3, (), generator=generator))
    return VideoCompression(codec, quality, b_frames, 2 if chance(0.25, generator) else 12)


def video_codec(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Compress a clip by a codec and a quality drawn from the generator, and decode it again.

    Args:
        frames: ``[T, 3, H, W]`` in [0, 1], of any size.
        generator: see ``draw_compression``.

    Returns:
        as many frames of the same size, in [0, 1].
    """
    return compress(frames, draw_compression(generator))


def compress(frames: Tensor, compression: VideoCompression) -> Tensor:
    """Compress and decode ``[T, 3, H, W]`` in [0, 1], in memory, as 4:2:0 with BT.601's limited range.

    Raises:
        RuntimeError: if the codec gives another number of frames than it was given.
    """
    # Imported here: what is trained on stored estimates runs on machines that have no FFmpeg.
    import av

    count, _, height, width = frames.shape
    padded = functional.pad(frames.clamp(0, 1), (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    encoder: Any = av.CodecContext.create(compression.codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = padded.shape[3], padded.shape[2], "yuv420p"
    encoder.framerate, encoder.thread_count, encoder.options = 25, 1, compression.options
    decoder: Any = av.CodecContext.create(compression.codec, "r")
    decoder.thread_count = 1
    decoded: list[Tensor] = []
    for packet in _packets(encoder, to_planes(padded)):
        decoded += [torch.from_numpy(frame.to_ndarray()) for frame in decoder.decode(packet)]
    decoded += [torch.from_numpy(frame.to_ndarray()) for frame in decoder.decode(None)]
    if len(decoded) != count:
        raise RuntimeError(f"{compression}: {len(decoded)} frames came back of {count}")
    return from_planes(torch.stack(decoded))[..., :height, :width]


def _packets(encoder: Any, planes: Tensor) -> Iterator[Any]:
    import av

    for index, picture in enumerate(planes):
        frame = av.VideoFrame.from_ndarray(picture.numpy(), format="yuv420p")
        frame.pts = index
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def to_planes(frames: Tensor) -> Tensor:
    """RGB ``[T, 3, H, W]`` in [0, 1], even sides -> planes of yuv420p ``[T, H * 3 / 2, W]`` uint8, limited range."""
    ycbcr = rgb_to_ycbcr(frames)
    luma = 16 + 219 * ycbcr[:, 0]
    chroma = 128 + 224 * functional.avg_pool2d(ycbcr[:, 1:], 2)
    planes = torch.cat((luma.flatten(1), chroma.flatten(1)), dim=1).round().clamp(0, 255).to(torch.uint8)
    return planes.view(len(frames), -1, frames.shape[3])


def from_planes(planes: Tensor) -> Tensor:
    """The way back, chroma enlarged bilinearly: uint8 ``[T, H * 3 / 2, W]`` -> ``[T, 3, H, W]`` in [0, 1]."""
    count, rows, width = planes.shape
    height = rows * 2 // 3
    values = planes.flatten(1).float()
    luma = (values[:, : height * width].view(count, 1, height, width) - 16) / 219
    chroma = (values[:, height * width :].view(count, 2, height // 2, width // 2) - 128) / 224
    chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    return ycbcr_to_rgb(torch.cat((luma, chroma), dim=1)).clamp(0, 1)
