"""The finished file, read back: are all frames there, when they must be, and is the audio the source's?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import ffmpeg

from stages.assemble.audio_digest import AudioDigest
from stages.assemble.joining import AssemblyError
from stages.media.ffmpeg import file_url, open_input, run
from stages.wording import counted


def check_file(path: Path, ticks: Iterator[int], digests: Sequence[tuple[int, AudioDigest]]) -> int:
    """Compare a file with what it must hold, packet by packet. Returns the number of frames.

    Args:
        path: the Matroska file.
        ticks: the timestamp of every frame, in milliseconds.
        digests: index of each audio stream and digest of the source's packets or samples.

    Raises:
        AssemblyError: frames are missing, surplus or at another time, or audio differs, or there is more of it.
    """
    frames = 0
    with av.open(file_url(path), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
        if len(container.streams.audio) != len(digests):
            there, wanted = len(container.streams.audio), len(digests)
            raise AssemblyError(f"{path.name}: {counted(there, 'audio stream')} can be read, {wanted} were written")
        found = {index: digest.like(container.streams[index]) for index, digest in digests}
        codecs = {stream.index: stream.codec_context.name for stream in container.streams.audio}
        for packet in container.demux(*container.streams.video, *container.streams.audio):
            if not packet.size:
                continue
            index = packet.stream.index
            if index in found:
                found[index].add(packet, codecs[index])
            elif index == 0:
                expected = next(ticks, None)
                if expected is None or packet.pts != expected:
                    raise AssemblyError(f"{path.name}: frame {frames} is at {packet.pts} ms, must be at {expected}")
                frames += 1
    if next(ticks, None) is not None:
        raise AssemblyError(f"{path.name}: only {frames} frames were written")
    for index, digest in digests:
        if found[index] != digest:
            raise AssemblyError(
                f"{path.name}: audio stream {index} holds {found[index].told} that are not the source's {digest.told}"
            )
    return frames


def write_framemd5(path: Path, target: Path, audio: bool) -> None:
    """Write the MD5 of every decoded frame and of every audio packet as stored, with timestamps (FFmpeg's framemd5).

    Raises:
        FfmpegError: a frame cannot be decoded (FFV1's checksums are verified).
    """
    source = open_input(path, err_detect="crccheck+explode", copyts=None, apply_cropping=0)
    streams = [source["v:0"], *([source["a"]] if audio else [])]
    options = {
        "c:v": "rawvideo",
        "c:a": "copy",
        "fps_mode": "passthrough",
        "enc_time_base": "1/1000",
        "fflags": "+bitexact",
        "flags": "+bitexact",
    }
    run(ffmpeg.output(*streams, file_url(target), format="framemd5", **options).global_args("-xerror"))
