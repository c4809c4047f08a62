"""Files that are lists of other files or addresses are refused, whatever they are called, and reach for nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import pytest

from stages.contract import ItemError
from stages.media.ffmpeg import FfmpegError, open_input, run
from stages.media.probe import open_video

LISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "m3u8 of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{file}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{url}'\n",
    "concat of a file": "ffconcat version 1.0\nfile '{file}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "imf": "[playlist]\nFile1={url}\n",
}


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server that notes whoever comes."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                came.append(str(address))
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], came
        stop.set()
        thread.join()


@pytest.mark.parametrize("suffix", [".mkv", ".m3u8", ".mp4", ".sdp", ".ffconcat"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_refused(tmp_path: Path, listener: tuple[int, list[str]], kind: str, suffix: str) -> None:
    port, came = listener
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"G" * 188 * 20)
    path = tmp_path / f"list{suffix}"
    path.write_text(LISTS[kind].format(url=f"http://127.0.0.1:{port}/x.ts", file=secret, port=port))
    with pytest.raises(ItemError, match="cannot be opened as a video"):
        open_video(path)
    with pytest.raises(FfmpegError):
        run(ffmpeg.output(open_input(path), str(tmp_path / "out.mkv"), c="copy", format="matroska"))
    assert came == [] and not (tmp_path / "out.mkv").exists()
