"""The ffmpeg program: where it is, and how it is run on files that nobody vouches for."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

PROTOCOLS = "file,pipe"
"""The only protocols that ffmpeg may use, whatever a file asks for."""


CONTAINERS = (
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    *("avi", "mpegts", "mpeg", "mpegvideo", "mxf", "dv", "flv", "asf", "ogg", "nut", "gxf", "wtv", "rm", "lxf", "ivf"),
    *("h264", "hevc", "m4v", "obu", "av1", "vc1", "yuv4mpegpipe", "gif", "apng", "live_flv", "dirac", "swf", "roq"),
)
"""Container formats that hold their frames themselves: no playlists, no lists of files, no session descriptions."""


_ADDRESS = re.compile(r"(?<=\S) @ 0x[0-9a-f]+(?=\])")
_CHATTER = "Svt[info]"
"""What SVT-AV1 says whatever it is asked to say."""


class FfmpegError(RuntimeError):
    """ffmpeg ended with an error; the message is the first line of its complaint."""


@functools.cache
def ffmpeg_program() -> str:
    """Path of ffmpeg: the system's where there is one on PATH, else the binary that imageio-ffmpeg carries."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def file_url(path: Path) -> str:
    """``path`` as ffmpeg must be given it: absolute and with its protocol, so that no character in it is special."""
    return f"file:{path.absolute()}"


def open_input(path: Path, **options: Any) -> Any:
    """An ffmpeg-python input for a local file; it can reach no network and no other protocol than files and pipes, and
    no file but itself."""
    formats = ",".join(CONTAINERS)
    return ffmpeg.input(file_url(path), protocol_whitelist=PROTOCOLS, format_whitelist=formats, **options)


def run(graph: Any) -> bytes:
    """Run an ffmpeg-python graph, overwriting its output; return what it writes to ``pipe:``.

    Raises:
        FfmpegError: ffmpeg failed; one line.
    """
    graph = graph.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
    try:
        written, _ = graph.run(cmd=ffmpeg_program(), capture_stdout=True, capture_stderr=True, overwrite_output=True)
    except ffmpeg.Error as error:
        words = _ADDRESS.sub("", (error.stderr or b"").decode(errors="replace"))
        lines = [line for line in words.strip().splitlines() if not line.startswith(_CHATTER)]
        raise FfmpegError(lines[0] if lines else "ffmpeg failed without a word") from None
    return bytes(written)
