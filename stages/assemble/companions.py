"""Everything of the source beside its pictures: audio, subtitles, chapters, attachments, covers, tags."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

from stages.assemble.attachments import attach
from stages.assemble.audio_digest import AudioDigest, SampleDigest
from stages.assemble.chapters import is_chapter_track, moved_chapters
from stages.assemble.clock import Clock, clock_of
from stages.assemble.config import AssembleConfig
from stages.assemble.copied import Copied, without_new_form
from stages.assemble.presented import presented
from stages.assemble.priming import priming
from stages.assemble.tags import kept_tags
from stages.assemble.ticks import TICK, to_ticks
from stages.assemble.timed_text import is_mov_text, plain_text
from stages.media.decoded_sound import Decoder, SampleForm, UnfitError, sample_form, told
from stages.media.demuxing import announced_only, demux, open_every_stream, unlisted
from stages.media.listing import stream_names
from stages.media.matroska import holds, holds_late, path_of
from stages.media.probe import is_caption_stream, is_cover, open_video, video_stream

_PEEK = 256


class Companions:
    """The streams that are copied, and their packets; of sound that Matroska cannot hold, packets of its samples.

    Attributes:
        left_out: streams that are not copied, as text: what Matroska cannot hold, and video beside the restored one.
        late: indices of the source's audio streams that PyAV cannot write (see ``late_audio``).
        caption_track: whether there is a track of closed captions, which is kept in another way (see ``captions``).
        moved: packets whose timestamps went backwards and were put off to the one before.
        clock: by how much packets are moved with the pictures.
        shift: ticks added to every timestamp of the file, so that none is negative; 0 for nearly every video.
    """

    def __init__(self, source: Path, config: AssembleConfig, first_picture: int) -> None:
        self.left_out: list[str] = []
        self.late: list[int] = []
        self.moved = 0
        self._container = open_every_stream(source)
        self.caption_track = any(is_caption_stream(stream) for stream in self._container.streams)
        self._config = config
        self._forms: dict[int, SampleForm] = {}
        self._copied = [
            Copied(stream, stream.index, stream.type == "audio", stream.codec_context.name)
            for stream in self._container.streams
            if self._wanted(stream)
        ]
        for copied in self._copied:
            if form := self._forms.get(copied.index):
                copied.digest, copied.decoder = SampleDigest(form), Decoder()
        self.left_out += [f"{each} that begins too late to be copied" for each in unlisted(self._container, source)]
        by_index = {copied.index: copied for copied in self._copied}
        self.clock = clock_of(source) if by_index or self.late else Clock([])
        packets = self._packets(by_index)
        head = list(islice(packets, _PEEK))
        self._rest: Iterator[tuple[Copied | None, Any]] = chain(head, packets)
        self.shift = self._settle_start([(copied, packet) for copied, packet in head if copied], first_picture)

    def _wanted(self, stream: Any) -> bool:
        kind = stream.type
        picture = video_stream(self._container, "")
        if kind == "video":
            if not is_cover(stream) and stream.index != picture.index:
                self.left_out.append(f"{stream.index} video")
            return False
        if kind == "data" and stream.metadata.get("timecode", "") == picture.metadata.get("timecode"):
            return False  # a track of time code, which goes along as the picture's tag
        if is_chapter_track(self._container, stream):
            return False
        if kind == "attachment" or (kind == "subtitle" and not self._config.subtitles) or is_caption_stream(stream):
            return False
        if announced_only(stream):
            self.left_out.append(f"{stream.index} audio {self._without(stream)}")
            return False
        if kind in ("audio", "subtitle") and (holds(stream) or is_mov_text(stream)):
            return True
        if kind == "audio" and holds_late(path_of(self._container), stream.index):
            self.late.append(stream.index)
            return False
        if kind == "audio" and self._has_form(stream.index):
            return True
        known = stream.codec_context is not None
        name = f"{kind} {stream.codec_context.name}" if known else stream_names(self._container)[stream.index]
        self.left_out.append(f"{stream.index} {name}")
        return False

    def _has_form(self, index: int) -> bool:
        """Whether the samples of a stream can be kept; notes how."""
        try:
            self._forms[index] = sample_form(path_of(self._container), index)
        except UnfitError:
            return False
        return True

    def _without(self, stream: Any) -> str:
        """What is wrong with a stream that FFmpeg knows only by name."""
        with open_video(path_of(self._container)) as again:
            packets = presented(demux(again, again.streams[stream.index]))
            found = any(packet.size for packet in packets)
        return "that begins too late to be copied" if found else "without data"

    def _packets(self, by_index: dict[int, Copied]) -> Iterator[tuple[Copied | None, Any]]:
        """Packets with what is copied; with none, those of the pictures, where they tell how the clock runs."""
        if not by_index:
            return
        pictures = [video_stream(self._container, "")] if self.clock.stretches else []
        streams = [*pictures, *(copied.source for copied in self._copied)]
        for packet in presented(demux(self._container, streams), self._forms):
            copied = by_index.get(packet.stream.index)
            if copied is None or copied.decoder is None:
                yield copied, packet
            else:
                yield from ((copied, each) for each in copied.decoder.add(packet))
        for copied in by_index.values():
            if copied.decoder is not None:
                yield from ((copied, each) for each in copied.decoder.rest())

    def _settle_start(self, head: list[tuple[Copied, Any]], first_picture: int) -> int:
        earliest = first_picture
        seen: set[int] = set()
        for copied, packet in head:
            if copied.index in seen or packet.pts is None:
                continue
            seen.add(copied.index)
            start = to_ticks(packet.pts, packet.time_base)
            if copied.audio:
                start += self._settle_priming(copied, packet, head)
            earliest = min(earliest, start)
        return max(0, -earliest)

    def _settle_priming(self, copied: Copied, first: Any, head: list[tuple[Copied, Any]]) -> int:
        """Ticks from the first packet of an audio stream to what is heard; CodecDelay of the result says so."""
        context = copied.source.codec_context
        if context.delay:  # the muxer writes CodecDelay by itself and allows for it
            return to_ticks(context.delay, Fraction(1, context.sample_rate))
        hidden = priming(first, (packet for each, packet in head if each is copied), context.sample_rate)
        if not hidden:
            return 0
        copied.codec_delay = round(hidden * 10**9)
        copied.lead = to_ticks(copied.codec_delay, Fraction(1, 10**9))
        return copied.lead

    def add_to(self, output: Any) -> None:
        """Make streams, tags, chapters and attachments of the file that is being written. Video comes before."""
        for copied in self._copied:
            form = self._forms.get(copied.index)
            if form is not None:
                layout = f"{form.channels} channels"  # Matroska has no names for those of PCM
                copied.target = output.add_stream(form.codec, rate=form.rate, layout=layout)
            elif is_mov_text(copied.source):
                copied.target = output.add_mux_stream("subrip")
            else:
                copied.target = output.add_stream_from_template(copied.source)
            copied.position = copied.target.index
            copied.target.disposition = copied.source.disposition
            copied.target.metadata.update(kept_tags(copied.source.metadata))
        output.metadata.update(kept_tags(self._container.metadata))
        output.set_chapters(moved_chapters(self._container, self.shift))
        if self._config.attachments:
            self.left_out += attach(self._container, output)

    def packets(self) -> Iterator[tuple[int, Any]]:
        """(tick by which to interleave, packet ready to be muxed), in the order of the source."""
        for copied, packet in self._placed():
            packet.stream = copied.target
            yield packet.dts, packet

    def sound(self) -> Iterator[tuple[int, int]]:
        """(index of the source's stream, tick at which a player has it) of each audio packet, written or not."""
        for copied, packet in self._placed():
            if copied.audio:
                yield copied.index, packet.pts - copied.lead

    def _placed(self) -> Iterator[tuple[Copied, Any]]:
        """The packets that are copied, at their times in the finished file."""
        for copied, packet in self._rest:
            if copied is None:
                self.clock.pass_picture(packet)
                continue
            if copied.audio:
                if not copied.takes(packet):
                    continue
                copied.digest.add(packet, copied.codec)
                packet = without_new_form(packet)
            elif copied.codec == "mov_text":
                packet = plain_text(packet)
                if not packet.size:
                    continue
            self._place(copied, packet)
            yield copied, packet

    def _place(self, copied: Copied, packet: Any) -> None:
        """Give a packet its time in the finished file, in ticks."""
        time_base, duration = packet.time_base, packet.duration or 0
        dts = packet.dts if packet.dts is not None else packet.pts
        offset = self.shift + copied.lead
        if dts is None:
            tick = pts = copied.last or 0
        else:
            moved = self.clock.offset(copied.index, dts * time_base, duration * time_base, copied.audio)
            tick, pts = (
                to_ticks(each + round(moved / time_base), time_base) + offset
                for each in (dts, packet.pts if packet.pts is not None else dts)
            )
        if copied.last is not None and tick < copied.last:
            copied.late = max(copied.late, copied.last - tick)
            tick, self.moved = copied.last, self.moved + 1
        copied.last = tick
        packet.duration = to_ticks(duration, time_base)
        packet.time_base = TICK
        packet.dts, packet.pts = tick, max(pts, tick)

    def remarks(self) -> list[str]:
        """What is not at the time that the source says, one line each; complete when all packets have been read."""
        return [*self.clock.remarks(), *(remark for copied in self._copied for remark in copied.remarks())]

    @property
    def decoded(self) -> list[str]:
        """Which sound is kept as samples, because Matroska cannot hold it as it is coded, one line each."""
        return [told(each.index, each.codec, self._forms[each.index]) for each in self._copied if each.decoder]

    @property
    def count(self) -> int:
        """Number of streams that are copied."""
        return len(self._copied)

    @property
    def sounding(self) -> dict[int, AudioDigest]:
        """Index of the source's stream -> digest of its packets or samples, for each audio stream."""
        return {copied.index: copied.digest for copied in self._copied if copied.audio}

    @property
    def digests(self) -> list[tuple[int, AudioDigest]]:
        """(index of the finished file's stream, digest of the source's packets or samples) for each audio stream."""
        return [(copied.position, copied.digest) for copied in self._copied if copied.audio]

    @property
    def codec_delays(self) -> dict[int, int]:
        """Index of the finished file's stream -> CodecDelay in nanoseconds, yet to be written into the header."""
        return {copied.position: copied.codec_delay for copied in self._copied if copied.codec_delay is not None}

    def close(self) -> None:
        """Close the source."""
        self._container.close()
