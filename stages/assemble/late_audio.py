"""Audio that only the ffmpeg program writes into Matroska: WMA, mu-law, ADPCM, AMR and others under Microsoft's tags.

FFmpeg's libraries say that Matroska does not hold them, and PyAV goes by that. The program copies them all the same, as
``A_MS/ACM``, and players read them. So they are added in a second pass over the finished file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ffmpeg

from stages.assemble.audio_digest import PacketDigest, audio_digests
from stages.media.demuxing import far_options
from stages.media.ffmpeg import file_url, open_input, run


def add_late_audio(
    path: Path, source: Path, streams: Sequence[int], shift: int, position: int
) -> list[tuple[int, PacketDigest]]:
    """Add audio streams of the source to a Matroska file, behind those that it has.

    Args:
        path: the file; replaced.
        source: the video that the file was made from.
        streams: indices of the source's streams.
        shift: milliseconds to add to their timestamps.
        position: number of streams in the file, attachments not counted.

    Returns:
        (index of the finished file's stream, digest of the source's packets) for each of them.

    Raises:
        FfmpegError: ffmpeg failed.
    """
    target = path.with_name(f"{path.name}.joined")
    ours = open_input(path, copyts=None)
    theirs = open_input(source, copyts=None, itsoffset=shift / 1000, **far_options(source))
    options = {
        "c": "copy",
        "map_metadata": 0,
        "map_chapters": 0,
        "fflags": "+bitexact",
        "avoid_negative_ts": "disabled",
    }
    inputs = [ours, *(theirs[str(index)] for index in streams)]
    run(ffmpeg.output(*inputs, file_url(target), format="matroska", **options))
    target.replace(path)
    return list(enumerate(audio_digests(source, streams), start=position))
