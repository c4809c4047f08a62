from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages.contract import ItemError
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.ffmpeg import FfmpegError, ffmpeg_program, file_url, open_input, run
from stages.media.ffv1 import held_formats, lossless_format, open_encoder, repack
from stages.media.frames import (
    FrameTable,
    FrameWriter,
    LosslessWriter,
    output_format,
    picture_from_rgb,
    read_frames,
    read_pictures,
    rgb_format,
    rgb_from_picture,
)
from stages.media.planes import components, layout
from stages.media.probe import format_kind
from stages.media.table import read_table, write_table

FORMATS = {
    "yuv420p": "yuv420p10le",
    "yuv422p": "yuv422p10le",
    "yuv444p": "yuv444p10le",
    "yuv440p": "yuv440p10le",
    "yuv411p": "yuv422p10le",
    "yuv410p": "yuv420p10le",
    "yuva420p": "yuv420p10le",
    "yuv422p12le": "yuv422p12le",
    "yuv420p16le": "yuv420p16le",
    "bgr0": "gbrp10le",
    "gbrp12le": "gbrp12le",
    "gray": "gray10le",
    "gray16le": "gray16le",
}


def table(pix_fmt: str, width: int = 175, height: int = 143, **wishes: object) -> FrameTable:
    rgb, gray = pix_fmt.startswith(("bgr", "gbr")), pix_fmt.startswith("gray")
    colour = ColourTags(
        matrix=Matrix.RGB if rgb else Matrix.BT470BG, range=Range.FULL if rgb or gray else Range.LIMITED
    )
    facts = {
        **{"first": 0, "time_base": Fraction(1, 25), "pts": (0, 1), "durations": (1, 1), "rate": Fraction(25)},
        **{"width": width, "height": height, "pix_fmt": pix_fmt, "colour": colour},
    }
    return FrameTable.model_validate({**facts, **wishes})


def smooth(height: int, width: int, grey: bool = False) -> np.ndarray:
    coarse = np.random.default_rng(7).random((height // 24 + 1, width // 24 + 1, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, 3)
    picture = 1 / (1 + np.exp(3 - 6 * picture))
    return np.repeat(picture[..., :1], 3, 2) if grey else picture


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(1 / np.mean((a - b) ** 2)))


@pytest.mark.parametrize("size", [(175, 143), (64, 48), (2, 1), (1, 1)])
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_round_trip(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    fmt = output_format(table(pix_fmt), *size)
    assert fmt.pix_fmt == FORMATS[pix_fmt]
    frame = smooth(size[1], size[0], grey=pix_fmt.startswith("gray"))
    path = tmp_path / "a.mkv"
    with FrameWriter(path, fmt) as writer:
        writer.write(frame)
        writer.write(1 - frame)
    first, second = read_frames(path)
    subsampled = layout(fmt.pix_fmt).factors != (1, 1)
    assert psnr(first, frame) > (52 if subsampled else 60)
    assert psnr(second, 1 - frame) > (52 if subsampled else 60)
    assert np.array_equal(first, rgb_from_picture(picture_from_rgb(frame, fmt), fmt.colour))


def test_file_says_what_it_holds(tmp_path: Path) -> None:
    colour = ColourTags(matrix=Matrix.BT709, range=Range.FULL, primaries=1, transfer=1)
    fmt = output_format(table("yuv422p", colour=colour, rate=Fraction(30000, 1001)), 32, 16)
    with FrameWriter(tmp_path / "a.mkv", fmt) as writer:
        writer.write(smooth(16, 32))
    with av.open(str(tmp_path / "a.mkv")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (1, 2, 1, 1)
        assert abs(stream.average_rate - Fraction(30000, 1001)) < Fraction(1, 1000)
        assert context.name == "ffv1" and all(p.is_keyframe for p in container.demux(video=0) if p.size)


def test_shape_survives_uneven_scaling() -> None:
    pal = table("yuv420p", 720, 576, sar=Fraction(16, 15))
    assert output_format(pal, 2880, 2304).sar == Fraction(16, 15)
    assert output_format(pal, 768 * 2, 576 * 2).sar == 1


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path; from stages.media.frames import FrameWriter, rgb_format\n"
        "frame = np.random.default_rng(1).random((33, 47, 3), np.float32)\n"
        "with FrameWriter(Path(sys.argv[1]), rgb_format(47, 33)) as writer:\n"
        "    writer.write(frame); writer.write(frame)\n"
    )
    digests = set()
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / f"{name}.mkv")], check=True)
        digests.add(hashlib.sha256((tmp_path / f"{name}.mkv").read_bytes()).hexdigest())
        with av.open(str(tmp_path / f"{name}.mkv")) as container:
            first, second = (bytes(p) for p in container.demux(video=0) if p.size)
            assert first == second
            assert bytes(container.streams.video[0].codec_context.extradata) == bytes(
                open_encoder(rgb_format(47, 33)).extradata
            )
    assert len(digests) == 1


def test_no_frames_no_file(tmp_path: Path) -> None:
    with FrameWriter(tmp_path / "a.mkv", rgb_format(4, 4)) as writer:
        assert writer.count == 0
    assert not (tmp_path / "a.mkv").exists()


def test_wrong_frames_are_refused(tmp_path: Path) -> None:
    with FrameWriter(tmp_path / "a.mkv", rgb_format(4, 6)) as writer:
        with pytest.raises(ValueError, match="for a file of 6x4"):
            writer.write(np.zeros((4, 6, 3), np.float32))
        with pytest.raises(ValueError, match="finite"):
            writer.write(np.full((6, 4, 3), np.nan, np.float32))


def test_damaged_file_is_an_item_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(40))
    with pytest.raises(ItemError, match="damaged frame file"):
        list(read_pictures(path))


@pytest.mark.parametrize("pix_fmt", ["nv12", "p010le", "uyvy422", "yuvj420p", "rgb24", "gbrp", "rgba", "rgb48le"])
def test_repacking_loses_nothing(tmp_path: Path, pix_fmt: str) -> None:
    rng = np.random.default_rng(2)
    own = lossless_format(pix_fmt)
    assert own in held_formats()
    original = av.VideoFrame(48, 34, own)
    top = 2 ** original.format.components[0].bits
    for plane in original.planes:
        samples = np.frombuffer(memoryview(plane), np.uint16 if top > 256 else np.uint8)
        samples[:] = rng.integers(0, top, samples.size)
    full = {"src_color_range": 2, "dst_color_range": 2} if pix_fmt.startswith("yuvj") else {}
    back = repack(original.reformat(format=pix_fmt, **full))
    assert back.format.name == own
    for a, b in zip(components(back), components(original), strict=True):
        assert np.array_equal(a, b)


SAMPLED = sorted(name for name in av.video.format.names if av.VideoFormat(name).components)
"""All formats but those of pictures that stay in a graphics card."""


@pytest.mark.parametrize("pix_fmt", SAMPLED)
def test_what_holds_the_samples_is_of_the_same_colour_family(pix_fmt: str) -> None:
    held = lossless_format(pix_fmt)
    assert held in held_formats()
    assert format_kind(held) == format_kind(pix_fmt)
    assert (layout(held).components == 1) == (format_kind(held) == "gray")


GRAY = [name for name in SAMPLED if format_kind(name) == "gray" and not name.startswith(("gray32", "mono"))]


@pytest.mark.parametrize("pix_fmt", GRAY)
def test_grey_keeps_its_contrast(pix_fmt: str) -> None:
    component, *alpha = av.VideoFormat(pix_fmt).components
    floats = "f16" in pix_fmt or "f32" in pix_fmt
    dtype = np.dtype(f"{'>' if pix_fmt.endswith('be') else '<'}{'f' if floats else 'u'}{-(-component.bits // 8)}")
    top = 1.0 if floats else 2**component.bits - 1
    ramp = np.linspace(0, 1, 48)
    picture = av.VideoFrame(48, 34, pix_fmt)
    picture.pts, picture.color_range = 7, 2
    step = 1 + len(alpha)
    samples = np.frombuffer(memoryview(picture.planes[0]), dtype).reshape(34, -1)
    samples[:, : 48 * step] = top
    samples[:, : 48 * step : step] = ramp * top * (2 ** (16 - component.bits) if "msb" in pix_fmt else 1)
    back = repack(picture)
    assert (back.format.name, back.pts, back.color_range) == (lossless_format(pix_fmt), 7, 2)
    colour = ColourTags(matrix=Matrix.SMPTE170M, range=Range.FULL)
    assert np.abs(rgb_from_picture(back, colour) - ramp[:, None]).max() < 1.6 / min(2**component.bits, 1024)


FEW_BITS = {
    **{f"{name}{bits}{end}": bits for name in ("rgb", "bgr") for bits in ("444", "555", "565") for end in ("le", "be")},
    **{"rgb8": "332", "bgr8": "233", "rgb4_byte": "121", "bgr4_byte": "121"},
}
"""Bits of the components, the highest first."""


@pytest.mark.parametrize("pix_fmt", FEW_BITS)
def test_few_bits_of_rgb_reach_black_and_white(pix_fmt: str) -> None:
    sizes = [int(size) for size in FEW_BITS[pix_fmt]]
    dtype = np.uint8 if sum(sizes) <= 8 else np.dtype(">u2" if pix_fmt.endswith("be") else "<u2")
    picture = av.VideoFrame(64, 3, pix_fmt)
    picture.pts = 7
    samples = np.frombuffer(memoryview(picture.planes[0]), dtype).reshape(3, -1)
    wanted = np.zeros((3, 64, 3), np.float32)
    for row, size in enumerate(sizes):  # one component each
        levels = np.arange(64) % 2**size
        samples[row, :64] = levels << sum(sizes[row + 1 :])
        wanted[row, :, row if pix_fmt.startswith("rgb") else 2 - row] = levels / (2**size - 1)
    back = repack(picture)
    assert (back.format.name, back.pts) == ("bgr0", 7)
    found = rgb_from_picture(back, ColourTags(matrix=Matrix.RGB, range=Range.FULL))
    assert np.abs(found - wanted).max() <= 0.5 / 255 + 1e-6


def test_lossless_writer_and_table(tmp_path: Path) -> None:
    facts = table("yuv420p", 7, 5, pts=(3, 9), durations=(6, 2))
    write_table(tmp_path, facts)
    assert read_table(tmp_path) == facts
    frame = av.VideoFrame(7, 5, "yuv420p")
    for plane in components(frame):
        plane[...] = 33
    with LosslessWriter(tmp_path / "frames.mkv", facts) as writer:
        writer.write(frame)
    (found,) = read_pictures(tmp_path / "frames.mkv")
    assert all((plane == 33).all() for plane in components(found))
    assert next(read_frames(tmp_path)).shape == (5, 7, 3)


@pytest.mark.parametrize("wrong", [{"pts": (1, 1)}, {"pts": (2, 1)}, {"durations": (1,)}, {"pts": (), "durations": ()}])
def test_tables_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        table("yuv420p", **wrong)  # type: ignore[arg-type]


def test_ffmpeg_reaches_no_network_and_says_why(tmp_path: Path) -> None:
    assert Path(ffmpeg_program()).is_file()
    assert file_url(Path("-a%03d.mkv")).startswith("file:/")
    missing = open_input(tmp_path / "nothing.mkv")
    with pytest.raises(FfmpegError) as error:
        run(missing.output(file_url(tmp_path / "x.framemd5"), format="framemd5"))
    assert "No such file" in str(error.value) and "\n" not in str(error.value)
    assert " @ 0x" not in str(error.value)
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(FfmpegError):
        run(open_input(playlist).output(file_url(tmp_path / "x.framemd5"), format="framemd5"))
