from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import odd_clips
import pytest

from stages.contract import ItemError
from stages.media.colour import Matrix, Range
from stages.media.probe import open_video, probe

ClipMaker = Callable[..., Path]


def test_facts(clip: ClipMaker) -> None:
    source = clip("a.mov", codec="mpeg4", size=(720, 576), frames=3, audio=("pcm_s16le", "aac"), sar=Fraction(16, 15))
    facts = probe(source)
    assert (facts.codec, facts.width, facts.height, facts.pix_fmt) == ("mpeg4", 720, 576, "yuv420p")
    assert (facts.rate, facts.sar, facts.frames) == (25, Fraction(16, 15), 3)
    assert [stream.codec for stream in facts.audio] == ["pcm_s16le", "aac"]
    assert facts.colour.matrix is Matrix.BT470BG and facts.colour.range is Range.LIMITED


def test_tags_win_over_size(clip: ClipMaker) -> None:
    assert probe(clip("a.mkv", frames=1, matrix=1)).colour.matrix is Matrix.BT709
    assert probe(clip("b.mkv", frames=1)).colour.matrix is Matrix.SMPTE170M
    assert probe(clip("c.mkv", frames=1, size=(1280, 16))).colour.matrix is Matrix.BT709
    assert probe(clip("d.mkv", frames=1, pix_fmt="bgr0")).colour.matrix is Matrix.RGB


def refusal(path: Path) -> str:
    with pytest.raises(ItemError) as error:
        probe(path)
    message = str(error.value)
    assert path.name in message and "\n" not in message and str(path.parent) not in message
    return message


def test_bad_files_say_what_is_wrong(tmp_path: Path, clip: ClipMaker) -> None:
    empty, text = tmp_path / "empty.mkv", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("this is not a video\n" * 50)
    assert "is empty" in refusal(empty)
    assert "cannot be opened as a video" in refusal(text)
    assert "no such file" in refusal(tmp_path / "nothing.mkv")
    assert "no numbered DPX, PNG or TIFF images" in refusal(tmp_path)
    whole = clip("whole.mp4", codec="mpeg4", frames=3)
    whole.write_bytes(whole.read_bytes()[:300])
    assert "cannot be opened as a video" in refusal(whole)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=100)
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
    assert "no video stream (streams: audio)" in refusal(path)


def test_cover_picture_is_no_video(tmp_path: Path, jpeg: bytes) -> None:
    path = tmp_path / "album.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        container.add_attachment("cover.jpg", "image/jpeg", jpeg)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=100)
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
    with open_video(path) as container:
        assert len(container.streams.video) == 1
    assert "no video stream" in refusal(path)


LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">{target}</MPD>',
}


@pytest.mark.parametrize("name", LISTS)
def test_files_that_point_elsewhere_are_refused(tmp_path: Path, clip: ClipMaker, name: str) -> None:
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        victim = clip("secret.ts", codec="mpeg2video", frames=3)
        for target in (f"http://127.0.0.1:{server.server_port}/a.ts", str(victim)):
            path = tmp_path / name
            path.write_text(LISTS[name].format(target=target))
            refusal(path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def test_patterns_in_names_are_letters(clip: ClipMaker) -> None:
    assert probe(clip("frame%03d.mkv", frames=2)).width == 64


@pytest.mark.parametrize(("rate", "size"), [("25", "720:576"), ("30000/1001", "720:480")])
def test_gxf_whose_clock_counts_fields_has_the_rate_of_its_frames(tmp_path: Path, rate: str, size: str) -> None:
    odd_clips.write_texture(tmp_path)
    words = (
        f"{odd_clips.TONE} {odd_clips.moving(rate, 0.4)},scale={size} -c:v mpeg2video -ar 48000 -ac 1 -shortest g.gxf"
    )
    odd_clips.ffmpeg(words, tmp_path)
    assert probe(tmp_path / "g.gxf").rate == Fraction(rate)
