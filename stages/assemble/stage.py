"""The assemble stage."""

from __future__ import annotations

import heapq
import importlib.util
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av

from stages.assemble.captions import SUFFIX, Captions, keep_captions
from stages.assemble.check import check_file, write_framemd5
from stages.assemble.companions import Companions
from stages.assemble.config import AssembleConfig
from stages.assemble.derivatives import make_derivatives
from stages.assemble.joining import (
    AssemblyError,
    Joiner,
    check_coverage,
    first_table,
    frame_times,
    last_table,
    reference_file,
    stream_format,
)
from stages.assemble.late_audio import add_late_audio
from stages.assemble.making_up import with_derivatives
from stages.assemble.matroska_header import TrackFacts, amend_tracks, display_size, roomy_name
from stages.assemble.rates import constant_rate
from stages.assemble.tags import picture_tags
from stages.assemble.ticks import TICK
from stages.contract import Fact, Result, Stage
from stages.items import AssembleTask
from stages.media.account import SourceAccount, shortened
from stages.media.cropping import Crop, crop_of
from stages.media.ffmpeg import file_url
from stages.media.ffv1 import OutputFormat
from stages.media.probe import open_video, video_stream

_MUXER_OPTIONS = {
    "fflags": "+bitexact",  # no random identifiers, no date: the same parts give the same bytes
    "avoid_negative_ts": "disabled",  # done here, visibly
    "max_interleave_delta": "1",  # packets come interleaved; holding them back would cost memory
}


class AssembleStage(Stage[AssembleTask, Result]):
    """Joins a video's segments, copies everything else of the source, and checks the result before it lets go of it.

    Every frame is put at its source timestamp, rounded to Matroska's millisecond; audio and subtitles at theirs, so
    that they keep their offset. Only where something that is seen or heard starts before time 0 is everything moved, by
    ``shift_ms``. Pictures, packets and timestamps pass one by one: with the length of the video grow only the names of
    the chunks' folders, the text of captions and FFmpeg's own index of the file.
    """

    name: ClassVar[str] = "assemble"
    revision: ClassVar[int] = 3

    def __init__(self, config: AssembleConfig) -> None:
        self.config = config

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The configuration."""
        return self.config.model_dump(mode="json")

    def check(self, here: bool) -> None:
        """See ``Stage.check``."""
        if here:
            self.setup()

    def setup(self) -> None:
        """See that the bag can be made before anybody waits for it."""
        if self.config.bag and importlib.util.find_spec("bagit") is None:
            raise ValueError("assemble.bag needs the package bagit: pip install 'reelift[bag]'")

    def run(self, task: AssembleTask) -> Result:
        """Write ``name.mkv``, ``name.framemd5`` and the derivatives into ``task.output``.

        Raises:
            AssemblyError: chunks or frames are missing, or the finished file is not what it must be.
        """
        check_coverage(task)
        path, md5 = task.output / f"{task.name}.mkv", task.output / f"{task.name}.framemd5"
        fmt = stream_format(task)
        joiner = Joiner(task, fmt)
        account = last_table(task).account
        companions = Companions(task.source, self.config, next(frame_times(task))[0])
        try:
            captions = self._captions(task, account, companions)
            crop = _crop(task, fmt)
            self._mux(task, path, joiner, companions, captions, crop)
        finally:
            companions.close()
        late = []
        if companions.late:
            position = 1 + companions.count + captions.count
            late = add_late_audio(path, task.source, companions.late, companions.shift, position)
        kept = {each.order for each in account.fields if each.treatment == "kept"} if account else set()
        self._amend(path, fmt, companions, min(kept, default=None), crop)
        digests = [*companions.digests, *late]
        shifted = (tick + companions.shift for tick, _ in frame_times(task))
        frames = check_file(path, shifted, digests)
        if self.config.framemd5:
            write_framemd5(path, md5, bool(digests))
        rate = constant_rate(task)
        derivatives = make_derivatives(path, self.config.derivatives, rate, frames)
        dropped = account.dropped if account else ()
        facts: dict[str, Fact] = {
            "frames": frames,
            "seconds": _seconds(task),
            "bytes": path.stat().st_size,
            "audio_packets": sum(digest.count for _, digest in digests),
            "overlaps": joiner.overlaps,
            "shift_ms": companions.shift,
            "moved_packets": companions.moved,
            "left_out": ", ".join([*companions.left_out, *captions.left_out, *dropped]),
            "decoded_sound": "; ".join(companions.decoded),
            "captions": captions.data.count,
            "rate": "" if rate is None else str(rate),
            "derivatives": "",
            "damage": "; ".join([*(account.remarks() if account else ()), *shortened(companions.remarks(), 20)]),
        }
        return Result(with_derivatives(facts, derivatives))

    def _captions(self, task: AssembleTask, account: SourceAccount | None, companions: Companions) -> Captions:
        carried = account.captions if account else 0
        if not (carried or companions.caption_track):
            return Captions()
        if not self.config.subtitles:
            where = f"closed captions of {carried} frames" if carried else "the track of closed captions"
            return Captions(left_out=(where,))
        return keep_captions(task.source, task.output / f"{task.name}{SUFFIX}", constant_rate(task), companions.shift)

    def _mux(
        self,
        task: AssembleTask,
        path: Path,
        joiner: Joiner,
        companions: Companions,
        captions: Captions,
        crop: Crop | None,
    ) -> None:
        with (
            av.open(file_url(reference_file(task)), "r", options={"protocol_whitelist": "file"}) as reference,
            av.open(file_url(path), "w", format="matroska", options=dict(_MUXER_OPTIONS)) as output,
        ):
            stream = self._add_video(output, reference.streams.video[0], task)
            if crop is not None:
                stream.metadata["title"] = roomy_name(stream.metadata.get("title", ""))
            companions.add_to(output)
            captions.add_to(output)
            output.metadata.update(task.tags)
            pictures = _timed(joiner, task, companions.shift, stream)
            others = companions.packets(), captions.packets()
            for _, packet in heapq.merge(pictures, *others, key=lambda item: item[0]):
                output.mux(packet)

    def _add_video(self, output: Any, template: Any, task: AssembleTask) -> Any:
        stream = output.add_stream_from_template(template)
        stream.codec_context.framerate = constant_rate(task) or 0
        table = first_table(task)
        if table.rotation or table.mirrored:
            stream.set_display_rotation(table.rotation, hflip=table.mirrored)
        with open_video(task.source) as source:
            original = video_stream(source, task.source.name)
            stream.disposition = original.disposition
            stream.metadata.update(picture_tags(source, original))
        return stream

    def _amend(
        self, path: Path, fmt: OutputFormat, companions: Companions, fields: str | None, crop: Crop | None
    ) -> None:
        facts = {index: TrackFacts(codec_delay=delay) for index, delay in companions.codec_delays.items()}
        width, height = fmt.width, fmt.height
        if crop is not None:
            width, height = width - crop.left - crop.right, height - crop.top - crop.bottom
        display = display_size(width, height, fmt.sar) or (None if crop is None else (width, height))
        if display is not None or fields is not None:
            facts[0] = TrackFacts(display=display, fields=fields, crop=crop)
        if facts:
            amend_tracks(path, facts)


def _crop(task: AssembleTask, fmt: OutputFormat) -> Crop | None:
    """What of the restored pictures is not shown, as what of the source's is not."""
    table = first_table(task)
    with open_video(task.source) as source:
        found = crop_of(source, video_stream(source, task.source.name).index)
    return None if found is None else found.scaled(Fraction(fmt.width, table.width), Fraction(fmt.height, table.height))


def _timed(joiner: Joiner, task: AssembleTask, shift: int, stream: Any) -> Iterator[tuple[int, Any]]:
    times = frame_times(task)
    last = -1
    for packet in joiner:
        tick, end = next(times)
        packet.time_base = TICK
        packet.pts = tick + shift
        packet.dts = last = max(last, tick + shift)
        packet.duration = max(0, end - tick)
        packet.stream = stream
        yield last, packet
    if next(times, None) is not None:
        raise AssemblyError(f"{task.name}: segments hold fewer frames than the source")


def _seconds(task: AssembleTask) -> float:
    first = next(frame_times(task))[0]
    end = max(end for _, end in frame_times(task))
    return float((end - first) * TICK)
