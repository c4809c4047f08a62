"""Small clips made on the spot, and the shortest way of one through split and assemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.assemble import AssembleConfig, AssembleStage
from stages.assemble.matroska_header import TrackFacts, amend_tracks, display_size
from stages.contract import Result
from stages.items import AssembleTask, Chunk, SplitChunk, SplitTask
from stages.media.frames import FrameWriter, output_format, read_frames, read_table
from stages.media.planes import components
from stages.split import SplitConfig, SplitStage


def picture(number: int, width: int, height: int, pix_fmt: str = "yuv420p", scene: int = 0) -> av.VideoFrame:
    """A smooth pattern that moves with ``number`` and looks quite different in every ``scene``."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for index, plane in enumerate(components(frame)):
        rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]]
        wave = np.sin((columns + 2 * number) / (9 + 3 * scene) + index) * np.cos((rows - number) / (7 + scene))
        level = 60 + 40 * ((scene * 2 + index) % 3)
        plane[...] = np.clip(level + 40 * wave, 0, 255).astype(np.uint8)
    return frame


@dataclass(frozen=True)
class Clip:
    """What a test asks for; see ``make_clip``."""

    frames: int = 10
    size: tuple[int, int] = (64, 48)
    codec: str = "ffv1"
    pix_fmt: str = "yuv420p"
    rate: Fraction = Fraction(25)
    times: Sequence[int] | None = None  # milliseconds, for variable frame rate
    cuts: Sequence[int] = ()
    audio: Sequence[str] = ()
    sar: Fraction = Fraction(1)
    options: tuple[tuple[str, str], ...] = ()
    matrix: int = 2
    interlaced: bool = False


def make_clip(path: Path, clip: Clip) -> Path:
    """Write ``clip`` to ``path``; the container follows from the suffix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, rate=clip.rate, options={"threads": "1", **dict(clip.options)})
        stream.width, stream.height = clip.size
        stream.pix_fmt = clip.pix_fmt
        context = stream.codec_context
        context.sample_aspect_ratio = clip.sar
        context.colorspace = clip.matrix
        if clip.times is not None:
            context.time_base = Fraction(1, 1000)
        tracks = [_audio_stream(container, codec) for codec in clip.audio]
        for number in range(clip.frames):
            scene = sum(cut <= number for cut in clip.cuts)
            frame = picture(number, *clip.size, clip.pix_fmt, scene)
            frame.time_base = Fraction(1, 1000) if clip.times is not None else 1 / clip.rate
            frame.pts = clip.times[number] if clip.times is not None else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track in tracks:
            _write_tone(container, track, clip.frames / clip.rate)
    shape = display_size(*clip.size, clip.sar)
    if path.suffix == ".mkv" and shape is not None:  # which PyAV does not tell the muxer
        amend_tracks(path, {0: TrackFacts(display=shape)})
    return path


def _audio_stream(container: av.container.OutputContainer, codec: str) -> av.audio.AudioStream:
    stream = container.add_stream(codec, rate=48000)
    stream.layout = "stereo"
    return stream


def _write_tone(container: av.container.OutputContainer, stream: av.audio.AudioStream, seconds: Fraction) -> None:
    total, step = int(seconds * 48000), 1024
    for start in range(0, total, step):
        tone = np.sin(np.arange(start, start + step) * 0.05).astype(np.float32) * 0.3
        if stream.format.name.startswith("flt"):
            frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
        else:
            samples = np.repeat((tone * 32767).astype(np.int16), 2)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def packets(path: Path, kind: str) -> list[list[bytes]]:
    """The packets of every stream of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        found: dict[int, list[bytes]] = {stream.index: [] for stream in streams}
        for packet in container.demux(streams):
            if packet.size:
                found[packet.stream.index].append(bytes(packet))
        return list(found.values())


def video_times(path: Path) -> list[Fraction]:
    """Presentation times in seconds, exact, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(packet.pts * packet.time_base for packet in container.demux(stream) if packet.size)


def upscale(chunk: Chunk, split: Path, folder: Path, scale: int) -> Path:
    """What decode would write, by repeating every sample."""
    folder.mkdir(parents=True)
    table = read_table(split)
    fmt = output_format(table, table.width * scale, table.height * scale)
    with (
        FrameWriter(folder / "head.mkv", fmt) as head,
        FrameWriter(folder / "segment.mkv", fmt) as core,
        FrameWriter(folder / "tail.mkv", fmt) as tail,
    ):
        for number, frame in enumerate(read_frames(split), chunk.start):
            writer = core if number in chunk.core else head if number < chunk.core.start else tail
            writer.write(frame.repeat(scale, 0).repeat(scale, 1))
    return folder


@dataclass(frozen=True)
class Way:
    """A video that went through split, a decode that only enlarges, and assemble."""

    source: Path
    chunks: list[SplitChunk]
    task: AssembleTask
    result: Result

    @property
    def output(self) -> Path:
        return self.task.output / f"{self.task.name}.mkv"


@pytest.fixture
def jpeg() -> bytes:
    """A small JPEG file."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    frame = picture(0, 32, 32).reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in context.encode(frame) + context.encode(None))


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """``clip(name, frames=..., ...)`` writes a clip and returns its path."""

    def make(name: str, **wishes: object) -> Path:
        return make_clip(tmp_path / name, Clip(**wishes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def split(tmp_path: Path) -> Callable[..., list[SplitChunk]]:
    """``split(path, wanted=..., **configuration)`` runs split."""

    def run(path: Path, wanted: Callable[[Chunk], bool] = lambda chunk: True, **wishes: object) -> list[SplitChunk]:
        folder = tmp_path / f"split-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        stage = SplitStage(SplitConfig(**{"chunk_frames": 6, "overlap_frames": 2, **wishes}))  # type: ignore[arg-type]
        return list(stage.run(SplitTask("0123456789abcdef", path, folder, wanted)))

    return run


@pytest.fixture
def go(tmp_path: Path, split: Callable[..., list[SplitChunk]]) -> Callable[..., Way]:
    """``go(path, name=..., **configuration)`` takes a clip from source to finished file."""

    def run(
        source: Path, name: str | None = None, scale: int = 2, assemble: AssembleConfig | None = None, **wishes: object
    ) -> Way:
        chunks = split(source, **wishes)
        folder = tmp_path / f"way-{len(list(tmp_path.iterdir()))}"
        decoded = [upscale(c.chunk, c.folder, folder / f"{c.chunk.index}", scale) for c in chunks if c.folder]
        (folder / "out").mkdir()
        task = AssembleTask(
            video="0123456789abcdef",
            source=source,
            name=name or source.stem,
            chunks=tuple(c.chunk for c in chunks),
            split=tuple(c.folder for c in chunks if c.folder),
            decode=tuple(decoded),
            output=folder / "out",
            tags={"RESTORATION": "Machine-restored derivative", "RESTORED_FROM_SHA256": "0" * 64},
        )
        return Way(source, chunks, task, AssembleStage(assemble or AssembleConfig()).run(task))

    return run
