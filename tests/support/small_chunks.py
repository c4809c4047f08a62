"""A small chunk and its way through flow, sample and decode, in-process and without Ray."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from model_folders import make_model_folder

from models.basicvsr import BasicVSR
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from stages.contract import Result, Stage
from stages.decode.config import DecodeConfig
from stages.decode.stage import DecodeStage
from stages.flow.config import FlowConfig
from stages.flow.stage import FlowStage
from stages.items import Chunk, ChunkTask
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.frames import LosslessWriter
from stages.media.table import FrameTable, write_table
from stages.sample.config import SampleConfig
from stages.sample.stage import SampleStage
from stages.setting import ModelSetting

HEIGHT, WIDTH = 18, 26
FIRST = 10
VIDEO = "0123456789abcdef"
Way = Stage[ChunkTask, Result]


def small_model(path: Path) -> Path:
    """A model folder in which everything is small, the recurrent network too, and every weight does something."""
    make_model_folder(path)
    (path / "initial_estimate").unlink()
    torch.manual_seed(4)
    BasicVSR(channels=8, num_blocks=1).save_pretrained(path / "initial_estimate")
    for part, kind in {"vae": TemporalVAE, "unet": DenoisingUNet, "structure_encoder": StructureEncoder}.items():
        network = kind.from_pretrained(path / part)
        for weights in network.parameters():  # Some layers start as zeros and would hide what lies behind them.
            weights.data += 0.1 * torch.randn_like(weights)
        network.save_pretrained(path / part)
    return path


def moving_texture(frames: int) -> np.ndarray:
    """A textured picture that moves one pixel a frame to the right: [frames, HEIGHT, WIDTH, 3] uint8."""
    texture = np.random.default_rng(5).integers(40, 200, (HEIGHT, WIDTH + frames, 3), np.uint8)
    return np.stack([texture[:, frames - shift : frames - shift + WIDTH] for shift in range(frames)])


def split_folder(folder: Path, pictures: np.ndarray, pix_fmt: str = "yuv420p") -> Path:
    """Pictures [n, h, w, 3] uint8 as split would have written them; bgr0 keeps them as they are."""
    folder.mkdir(parents=True)
    frames, height, width = pictures.shape[:3]
    rgb = pix_fmt == "bgr0"
    table = FrameTable(
        first=FIRST,
        time_base=Fraction(1, 25),
        pts=tuple(range(FIRST, FIRST + frames)),
        durations=(1,) * frames,
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        rate=Fraction(25),
        colour=ColourTags(matrix=Matrix.RGB if rgb else Matrix.BT470BG, range=Range.FULL if rgb else Range.LIMITED),
    )
    write_table(folder, table)
    with LosslessWriter(folder / "frames.mkv", table) as writer:
        for view in pictures:
            writer.write(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24").reformat(format=pix_fmt)
            )
    return folder


def chunk_of(frames: int) -> Chunk:
    return Chunk(VIDEO, index=1, shot=0, start=FIRST, stop=FIRST + frames, head=min(2, frames // 2), tail=0)


def run(stage: Way, chunk: Chunk, root: Path) -> Path:
    """Run one stage on what lies in ``root``; returns its folder."""
    output = root / stage.name
    output.mkdir()
    stage.setup()
    stage.run(ChunkTask(chunk, {folder.name: folder for folder in root.iterdir()}, output))
    stage.teardown()
    return output


def way(
    root: Path,
    setting: ModelSetting,
    pictures: np.ndarray,
    sample: SampleConfig,
    decode: DecodeConfig,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Run the three stages; returns decode's folder."""
    split_folder(root / "split", pictures, pix_fmt)
    chunk = chunk_of(len(pictures))
    for stage in (
        FlowStage(FlowConfig(estimator="dis"), setting),
        SampleStage(sample, setting),
        DecodeStage(decode, setting),
    ):
        folder = run(stage, chunk, root)
    return folder
