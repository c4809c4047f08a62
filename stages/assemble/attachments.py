"""Attached files and cover pictures of the source, attached to the finished file."""

from __future__ import annotations

from typing import Any

from stages.assemble.tags import kept_tags
from stages.media.matroska import path_of
from stages.media.probe import is_cover, open_video

_COVER_TYPES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "bmp": ("bmp", "image/bmp")}


def attach(container: Any, output: Any) -> list[str]:
    """Attach what is attached to the source; return the covers that cannot be, as text.

    Args:
        container: the source.
        output: the file that is being written, before its first packet.
    """
    left_out = []
    for stream in container.streams:
        if stream.type == "attachment" and stream.data:
            name = stream.metadata.get("filename", f"attachment-{stream.index}")
            copy = output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
            copy.metadata.update({**kept_tags(stream.metadata), **copy.metadata})
        elif stream.type == "video" and is_cover(stream):
            codec = stream.codec_context.name if stream.codec_context is not None else ""
            if codec in _COVER_TYPES:
                _attach_cover(container, output, stream, *_COVER_TYPES[codec])
            else:
                left_out.append(f"{stream.index} cover {codec}".strip())
    return left_out


def _attach_cover(container: Any, output: Any, stream: Any, suffix: str, mimetype: str) -> None:
    with open_video(path_of(container)) as again:
        packet = next((p for p in again.demux(again.streams[stream.index]) if p.size), None)
    if packet is not None:
        name = stream.metadata.get("filename", f"cover.{suffix}")
        copy = output.add_attachment(name, mimetype, bytes(packet))
        copy.metadata.update({**kept_tags(stream.metadata), **copy.metadata})
