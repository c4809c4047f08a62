"""The ffmpeg program: where it is, and how it is run on files that nobody vouches for."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

PROTOCOLS = "file,pipe"
"""The only protocols that ffmpeg may use, whatever a file asks for."""


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
    """An ffmpeg-python input for a local file; it can reach no network and no other protocol than files and pipes."""
    return ffmpeg.input(file_url(path), protocol_whitelist=PROTOCOLS, **options)


def run(graph: Any) -> None:
    """Run an ffmpeg-python graph, overwriting its output.

    Raises:
        FfmpegError: ffmpeg failed; one line.
    """
    graph = graph.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
    try:
        graph.run(cmd=ffmpeg_program(), capture_stdout=True, capture_stderr=True, overwrite_output=True)
    except ffmpeg.Error as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise FfmpegError(lines[0] if lines else "ffmpeg failed without a word") from None
