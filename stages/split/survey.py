"""The first of two readings of a source: what state it is in, before anything is decided about it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

from stages.contract import ItemError
from stages.media.account import Damage, FieldStretch, SourceAccount
from stages.media.dropped import STEREO, has_alpha, has_palette, has_timecode, is_see_through, metadata_of
from stages.media.probe import VideoFacts, describe, open_video
from stages.media.wholeness import missing_bytes, unread_files
from stages.split.beyond import Beyond, told
from stages.split.config import SplitConfig
from stages.split.fields import Measured, decide
from stages.split.form import Form, Raster, Turn, Usual, most, not_kept, others, raster_of, spelled
from stages.split.reading import PictureReader
from stages.split.timestamps import Stamp
from stages.split.treatment import too_small

_LONGEST = 1.5
"""A frame that is shown longer than this many times the usual is a gap, where the rate is constant otherwise."""

_PROMISED_FROM_ZERO = ("avi", "matroska,webm")
"""Containers whose headers say when a stream ends, however late it begins; others say how long it lasts."""

_EDITED = "mov,mp4,m4a,3gp,3g2,mj2"
"""The same, where an edit list begins with nothing."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the second reading goes by.

    Attributes:
        usual: the form of most frames, to which the others are brought.
        turn: how a player turns the first picture.
        fields: treatment of every frame.
        begin: timestamp of the first frame, where it has none itself but later ones do.
        account: all of it for people.
    """

    usual: Usual
    turn: Turn
    fields: tuple[FieldStretch, ...]
    begin: int | None
    account: SourceAccount


class _Idet:
    """FFmpeg's idet over pictures of any size; one letter for each, in order."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.repeated: list[str] = []
        self._graph: Graph | None = None
        self._raster: Raster | None = None

    def add(self, picture: av.VideoFrame) -> None:
        raster = raster_of(picture)
        if raster != self._raster:
            self.finish()
            self._raster, self._graph = raster, self._start(picture)
        assert self._graph is not None
        self._graph.vpush(picture)
        self._pull()

    def finish(self) -> None:
        if self._graph is not None:
            self._graph.vpush(None)
            self._pull()
            self._graph = None

    def _start(self, picture: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
        )
        graph.link_nodes(source, graph.add("idet"), graph.add("buffersink")).configure()
        return graph

    def _pull(self) -> None:
        assert self._graph is not None
        while True:
            try:
                found = self._graph.vpull().metadata
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            self.kinds.append(found.get("lavfi.idet.single.current_frame", "u")[0])
            self.repeated.append(found.get("lavfi.idet.repeated.current_frame", "n")[0])


class _Seen:
    """What is kept of the pictures of a video: some 45 bytes of each."""

    def __init__(self, facts: VideoFacts) -> None:
        self.forms: list[Form] = []
        self.flags: list[str] = []
        self.times = array("q")
        self.last = 0  # duration of the last picture, 0 if not known
        self.captions = 0
        self.metadata: set[str] = set()
        self.timecode = False  # of the first picture
        self._facts = facts
        self._palette = has_palette(facts.pix_fmt, facts.codec)
        self._see_through = False  # looked for where there are palettes
        self._known: dict[Form, Form] = {}  # one object for all pictures of a form
        self._idet = _Idet()
        self.beyond = Beyond()

    def add(self, picture: av.VideoFrame, stamp: Stamp, form: Form) -> None:
        if not self.forms:
            self.timecode = has_timecode(picture)
        self.forms.append(self._known.setdefault(form, form))
        self.flags.append("i" if picture.interlaced_frame else "p")
        self.times.append(stamp.pts)
        self.last = stamp.duration
        self.captions += bool(captions_of(picture))
        self.metadata |= metadata_of(picture)
        if self._palette and picture.format.name == "bgra":
            self._see_through = self._see_through or is_see_through(picture)
        self.beyond.add(picture)
        self._idet.add(picture)

    def measured(self) -> Measured:
        """Its fields; complete when all pictures have been added."""
        self._idet.finish()
        return Measured("".join(self._idet.kinds), "".join(self._idet.repeated), "".join(self.flags))

    def dropped(self, stream: Any) -> tuple[str, ...]:
        """What the pictures carry and the result does not."""
        names = {self._facts.pix_fmt, *(form.raster[2] for form in self._known)}
        alpha = self._see_through if self._palette else has_alpha(stream, names)
        kept = {STEREO} if "stereo_mode" in stream.metadata else set()  # Matroska has it, and the result then, too
        told = any("timecode" in each.metadata for each in (stream.container, *stream.container.streams))
        lost = [*(["alpha"] if alpha else []), *(["time code of the pictures"] if self.timecode and not told else [])]
        return (*lost, *sorted(self.metadata - kept))


def survey(path: Path, config: SplitConfig) -> Survey | None:
    """Decode a video once, to its end. None if it has no frames.

    Raises:
        ItemError: see ``open_video``, ``describe`` and ``colour.decide_matrix``.
    """
    with open_video(path, config.sequence_rate) as container:
        facts = describe(container, path.name)
        seen = _Seen(facts)
        reader = PictureReader(container, facts)
        for picture, stamp in reader:
            seen.add(picture, stamp, reader.form)
        dropped = seen.dropped(container.streams[facts.index])
        missing = tuple(container.missing) if facts.format == "image2" else ()
    if not seen.forms:
        return None
    try:
        usual = most(seen.forms, facts)
        resized = others(seen.forms, usual, facts.codec)
        changes = not_kept(seen.forms, usual, facts.codec, lambda frame: float(seen.times[frame] * facts.time_base))
    except ItemError as error:
        raise ItemError(f"{path.name}: {error}") from None
    measured, beyond = seen.measured(), seen.beyond.shares(usual.colour.range)
    fields = decide(config.deinterlace, measured, too_small(*usual.raster))
    damage = [*missing, *reader.damage, *changes, *_gaps(facts, seen.times), *_end(path, facts, reader, seen)]
    account = SourceAccount(
        decoded=len(seen.forms),
        form=spelled(usual.raster),
        fields=fields,
        measured={name: measured.kinds.count(name[0]) for name in ("progressive", "tff", "bff", "undetermined")},
        flagged=sum(flag != "p" for flag in seen.flags),
        damage=tuple(sorted(damage, key=lambda each: each.frame)),
        resized=tuple(resized),
        matrix=usual.reason,
        dropped=(*dropped, *told(beyond)),
        beyond=beyond,
        captions=seen.captions,
    )
    return Survey(usual, reader.turn, fields, reader.begin, account)


def captions_of(picture: av.VideoFrame) -> bytes:
    """The closed captions that a picture carries (cc_data of ATSC A/53): constructs of three bytes."""
    try:
        return b"".join(bytes(side) for side in picture.side_data if side.type.name == "A53_CC")
    except ValueError:  # side data of a type that PyAV does not know
        return b""


def _gaps(facts: VideoFacts, times: Sequence[int]) -> list[Damage]:
    """Frames that are shown far too long, in a video whose frames otherwise keep to one duration."""
    steps = Counter(later - earlier for earlier, later in pairwise(times))
    if not steps:
        return []
    usual = steps.most_common(1)[0][0]
    even = sum(count for step, count in steps.items() if abs(step - usual) <= max(1, usual // 100))
    if even < 0.9 * steps.total():
        return []
    return [
        Damage(
            frame=number,
            seconds=float(times[number] * facts.time_base),
            what=f"nothing for {float((step - usual) * facts.time_base):.3f} s after this frame",
        )
        for number, step in enumerate(later - earlier for earlier, later in pairwise(times))
        if step > _LONGEST * usual and step - usual > 1
    ]


def _end(path: Path, facts: VideoFacts, reader: PictureReader, seen: _Seen) -> list[Damage]:
    """A file that ends before its header says so."""
    times = seen.times
    lacking = missing_bytes(path) if path.is_file() else 0
    unread = unread_files(path, facts.format) if path.is_file() else ""
    begin = 0 if facts.format in _PROMISED_FROM_ZERO else times[0]
    if facts.format == _EDITED:
        begin = min(0, times[0])
    end = float((times[-1] + (seen.last or reader.nominal) - begin) * facts.time_base)
    if unread:
        what = unread
    elif lacking:
        what = f"the file breaks off, at least {lacking} bytes of it are missing"
    elif facts.promised > end + max(0.5, 2 * float(reader.nominal * facts.time_base)):
        what = f"the file announces {facts.promised:.3f} s of video, it ends after {end:.3f} s"
    else:
        return []
    return [Damage(frame=len(times) - 1, seconds=float(times[-1] * facts.time_base), what=what)]
