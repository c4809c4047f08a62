"""The sound of a source as the finished file must have it: every packet's bytes or samples, and when it is heard."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

from stages.assemble.audio_digest import AudioDigest, PacketDigest
from stages.assemble.companions import Companions
from stages.assemble.config import AssembleConfig
from stages.assemble.late_audio import late_packets


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
    """A stream that the ffmpeg program copies (see ``late_audio``)."""
    sound = Sound()
    for tick, packet in late_packets(source, [index], shift):
        sound.digest.add(packet, packet.stream.codec_context.name)
        sound.times.append(tick)
    return sound
