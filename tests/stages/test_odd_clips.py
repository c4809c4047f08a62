"""Every odd clip through split, a decode that changes nothing, and assemble: what must come out came out."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import mediaconch
import numpy as np
import odd_clips
import pytest
from edit_lists import edited
from odd_clips import CLIPS, Odd

from stages.assemble import AssembleConfig
from stages.contract import ItemError
from stages.media.planes import components
from stages.media.table import read_table
from stages.split.config import SplitConfig
from stages.verification import against_fixity, against_source

Go = Callable[..., Any]


def shown(path: Path) -> list[int]:
    """Milliseconds at which PyAV shows the pictures."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [math.floor(frame.pts * frame.time_base * 1000 + Fraction(1, 2)) for frame in frames]


def audio(path: Path) -> list[list[bytes]]:
    """The packets of every audio stream, without those that an edit list skips after the first that is heard."""
    with av.open(str(path)) as container:
        found: dict[int, list[Any]] = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if found else ():
            if packet.size:
                found[packet.stream.index].append(packet)
        return [[bytes(packet) for packet in _presented(packets)] for packets in found.values()]


def _presented(packets: list[Any]) -> list[Any]:
    first = next((number for number, packet in enumerate(packets) if not packet.is_discard), 0)
    lead = [each for each in packets[:first] if each.pts > packets[first].pts - 0.12 / each.time_base]
    return lead + [packet for packet in packets[first:] if not packet.is_discard]


def heard(path: Path) -> list[int]:
    """Milliseconds at which each audio stream begins and ends when it is played."""
    found: list[int] = []
    for index in range(len(audio(path))):
        with av.open(str(path)) as container:
            frames = list(container.decode(audio=index))
            begin = frames[0].pts * frames[0].time_base
            end = frames[-1].pts * frames[-1].time_base + Fraction(frames[-1].samples, frames[-1].sample_rate)
            assert abs(end - begin - Fraction(sum(each.samples for each in frames), frames[0].sample_rate)) < 0.03
        found += [round(begin * 1000), round(end * 1000)]
    return found


@pytest.mark.parametrize("name", CLIPS)
def test_an_odd_clip_comes_out_right(tmp_path: Path, go: Go, name: str) -> None:
    odd, source = CLIPS[name], odd_clips.make(name, tmp_path)
    way = go(source, scale=1, chunk_frames=40)
    account = read_table(way.task.split[-1]).account
    treatments = [each.treatment for each in account.fields]
    assert ", ".join(dict.fromkeys(treatments)) == odd.treatment
    assert {each.order for each in account.fields if each.treatment != "progressive"} == {odd.order} - {""}
    assert bool(account.damage) == odd.damaged == bool(way.result.facts["damage"])

    times = [time - way.result.facts["shift_ms"] for time in shown(way.output)]
    if odd.plain:
        assert times == shown(source)
    if odd.frames:
        assert len(times) == odd.frames
    assert all(later > earlier for earlier, later in pairwise(times))
    assert len(audio(way.output)) == odd.audio and audio(way.output) == audio(source)
    assert [time - way.result.facts["shift_ms"] for time in heard(way.output)] == pytest.approx(heard(source), abs=1)
    check_header(way.output, odd)
    shift = way.result.facts["shift_ms"]
    assert against_source(way.output, source, SplitConfig(), shift) == []
    assert against_fixity(way.output, way.output.with_suffix(".framemd5")) == []
    if mediaconch.installed():
        assert mediaconch.verdict(way.output, tmp_path).startswith("pass!")


def test_sound_that_only_ffmpeg_copies_is_refused_where_an_edit_list_cuts_it(tmp_path: Path, go: Go) -> None:
    odd_clips.write_texture(tmp_path)
    source = tmp_path / "cut.mov"
    odd_clips.ffmpeg(f"{odd_clips.TONE} {odd_clips.moving()} -c:v mpeg4 -c:a pcm_mulaw -t 1 {source.name}", tmp_path)
    assert go(source, scale=1, chunk_frames=40).result.facts["audio_packets"]
    edited((0.2, 0), (0.4, 0.52))(source)
    with pytest.raises(ItemError, match=r"cut\.mov: audio stream 1 \(pcm_mulaw\) .* its edit list cuts it; convert"):
        go(source, scale=1, chunk_frames=40)


@pytest.mark.parametrize(("marks", "index"), [("0 default", 1), ("default default", 0), ("0 0", 0)])
def test_of_several_video_streams_the_one_that_players_show_is_restored(
    tmp_path: Path, go: Go, marks: str, index: int
) -> None:
    odd_clips.write_texture(tmp_path)
    first, second = (f"-disposition:v:{number} {mark}" for number, mark in enumerate(marks.split()))
    pictures = odd_clips.moving(seconds=0.2).replace("-vf", "-filter_complex")
    words = f"{pictures},split[a][b];[b]negate[c] -map [a] -map [c] {first} {second} -c:v ffv1 angles.mkv"
    odd_clips.ffmpeg(words, tmp_path)
    way = go(tmp_path / "angles.mkv", scale=1)
    assert way.result.facts["left_out"] == f"{1 - index} video"
    with av.open(str(tmp_path / "angles.mkv")) as source, av.open(str(way.output)) as result:
        wanted, found = next(source.decode(video=index)), next(result.decode(video=0))
        assert np.abs(components(wanted)[0].astype(int) - (components(found)[0].astype(int) >> 2)).max() <= 2
    assert against_source(way.output, tmp_path / "angles.mkv", SplitConfig()) == []


def test_frames_without_times_before_the_first_good_one_are_placed_before_it(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("negative.mkv", tmp_path), scale=1, chunk_frames=40)
    assert way.result.facts["shift_ms"] == 200
    assert shown(way.output) == [40 * number for number in range(25)]


def test_raw_pictures_that_only_have_numbers_are_shown_at_their_own_rate(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("raw.drc", tmp_path), scale=1)
    assert way.result.facts["rate"] == "30000/1001"
    assert shown(way.output) == [round(number * 1001 / 30) for number in range(9)]


@pytest.mark.parametrize("policy", ["keep", "progressive", "deinterlace"])
def test_a_policy_is_followed_whatever_is_measured(tmp_path: Path, go: Go, policy: str) -> None:
    source = odd_clips.make("mislabelled.mpg", tmp_path)
    way = go(source, scale=1, chunk_frames=40, deinterlace=policy)
    with av.open(str(source)) as before, av.open(str(way.output)) as after:
        pairs = zip(before.decode(video=0), after.decode(video=0), strict=True)
        lines = [(components(a)[0].astype(int), components(b)[0].astype(int) >> 2) for a, b in pairs]
    untouched = all(np.abs(a - b).max() <= 2 for a, b in lines)
    assert untouched == (policy != "deinterlace")
    interlaced_bottom_first = b"\x9a\x81\x01\x9d\x81\x0e"  # FlagInterlaced and FieldOrder of RFC 9559
    assert (interlaced_bottom_first in way.output.read_bytes()[:4096]) == (policy == "keep")
    assert against_source(way.output, source, SplitConfig(deinterlace=policy)) == []


@pytest.mark.parametrize(("name", "kind"), [("pal-tff.mpg", "TOPFIRST"), ("pal-bff.mpg", "BOTTOMFIRST")])
def test_fields_that_are_kept_are_marked_in_header_and_frames_as_ffmpeg_marks_them(
    tmp_path: Path, go: Go, name: str, kind: str
) -> None:
    wanted = AssembleConfig(derivatives=({"kind": "prores"}, {"kind": "h264"}))
    way = go(odd_clips.make(name, tmp_path), scale=1, chunk_frames=12, deinterlace="keep", assemble=wanted)
    assert way.result.facts["overlaps"] == 2
    odd_clips.ffmpeg(f"-i {way.output} -vf setfield={kind[0].lower()}ff -c:v ffv1 theirs.mkv", tmp_path)
    with av.open(str(way.output)) as ours, av.open(str(tmp_path / "theirs.mkv")) as theirs:
        orders = [each.streams.video[0].codec_context.field_order for each in (ours, theirs)]
    assert orders[0] == orders[1] > 1
    for path in [way.output, *(way.output.with_name(each) for each in way.result.facts["derivatives"].split(", "))]:
        odd_clips.ffmpeg(
            f"-i {path} -vf select=eq(interlace_type\\\\,{kind}) -fps_mode vfr -c:v ffv1 those.mkv", tmp_path
        )
        assert len(shown(tmp_path / "those.mkv")) == 25, path.name


def test_telecine_gives_back_the_film(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("telecine.mpg", tmp_path), scale=1, chunk_frames=60)
    odd_clips.ffmpeg(f"{odd_clips.moving('24000/1001', 2)} -c:v ffv1 film.mkv", tmp_path)
    with av.open(str(tmp_path / "film.mkv")) as film, av.open(str(way.output)) as ours:
        pairs = list(zip(film.decode(video=0), ours.decode(video=0), strict=True))
    errors = [np.abs(components(a)[0].astype(int) - (components(b)[0].astype(int) >> 2)).mean() for a, b in pairs]
    assert len(errors) == 48 and max(errors) < 6
    times = shown(way.output)
    steps = {later - earlier for earlier, later in pairwise(times)}
    assert steps <= {41, 42}


def check_header(path: Path, odd: Odd) -> None:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        assert context.name == "ffv1" and context.pix_fmt == odd.pix_fmt
        assert (video.sample_aspect_ratio or 1) == Fraction(odd.sar.replace(":", "/"))
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        assert all(wanted in (None, found) for wanted, found in zip(odd.colour, tags, strict=True)), tags
        assert next(container.decode(video)).rotation == odd.rotation
        every = {**container.metadata, **video.metadata}
        assert {key: every.get(key, every.get(key.upper())) for key in odd.tags} == odd.tags
        assert len(container.streams.subtitles) == odd.subtitles
        assert len(container.chapters()) == odd.chapters
        attached = [s for s in container.streams if s.type == "attachment"] + list(container.streams.video[1:])
        assert len(attached) == odd.attachments
