"""The sound of a source as the finished file must have it: every packet's bytes or samples, and when it is heard."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

from stages.assemble.audio_digest import AudioDigest, PacketDigest
from stages.assemble.companions import Companions
from stages.assemble.config import AssembleConfig
from stages.assemble.presented import presented
from stages.assemble.ticks import to_ticks
from stages.media.demuxing import demux, open_every_stream


@dataclass(frozen=True, slots=True)
class Sound:
    """One audio stream.

    Attributes:
        digest: of its packets, or of its samples.
        times: milliseconds at which a reader of the finished file has each of them.
    """

    digest: AudioDigest = field(default_factory=PacketDigest)
    times: array[int] = field(default_factory=lambda: array("q"))


def expected_sound(source: Path, first_picture: int, shift: int) -> list[Sound]:
    """Return what assemble makes of the audio streams of a source, in the order in which it writes them.

    Args:
        source: the video.
        first_picture: milliseconds at which its first picture is.
        shift: milliseconds by which all timestamps were moved.
    """
    companions = Companions(source, AssembleConfig(subtitles=False, attachments=False), first_picture)
    companions.shift = shift
    try:
        times = {index: array("q") for index in companions.sounding}
        for index, tick in companions.sound():
            times[index].append(tick)
        found = [Sound(digest, times[index]) for index, digest in companions.sounding.items()]
    finally:
        companions.close()
    return [*found, *(_late(source, index, shift) for index in companions.late)]


def _late(source: Path, index: int, shift: int) -> Sound:
    """A stream that the ffmpeg program copies (see ``late_audio``): at its own times."""
    sound = Sound()
    with open_every_stream(source) as container:
        stream = container.streams[index]
        for packet in presented(demux(container, stream)):
            sound.digest.add(packet, stream.codec_context.name)
            pts = packet.pts if packet.pts is not None else packet.dts
            sound.times.append((sound.times or [0])[-1] if pts is None else to_ticks(pts, packet.time_base) + shift)
    return sound
