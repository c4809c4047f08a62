"""Tags of a source in the finished file: what is said of the work, in the letters in which it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import odd_clips

Go = Callable[..., Any]


def test_statistics_of_the_old_file_do_not_go_along_whatever_language_they_are_said_to_have(
    tmp_path: Path, go: Go
) -> None:
    odd_clips.write_texture(tmp_path)
    said = {
        "BPS-eng": "1",
        "NUMBER_OF_FRAMES-eng": "2",
        "NUMBER_OF_BYTES-eng": "3",
        "DURATION-eng": "00:00:09.000000000",
    }
    said |= {"_STATISTICS_TAGS-eng": "BPS DURATION", "TITLE-eng": "Feast"}
    words = " ".join(f"-metadata:s:v '{key}={value}'" for key, value in said.items())
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v ffv1 {words} merged.mkv", tmp_path)
    with av.open(str(tmp_path / "merged.mkv")) as container:
        assert said.items() <= container.streams.video[0].metadata.items()
    with av.open(str(go(tmp_path / "merged.mkv", scale=1).output)) as container:
        assert container.streams.video[0].metadata == {"TITLE-eng": "Feast", "DURATION": "00:00:00.200000000"}


def test_tags_in_the_code_page_of_windows_keep_their_letters(tmp_path: Path, go: Go) -> None:
    odd_clips.write_texture(tmp_path)
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v mpeg4 -metadata title=123456789 old.avi", tmp_path)
    source = tmp_path / "old.avi"
    source.write_bytes(source.read_bytes().replace(b"123456789", "Größe 5 €".encode("cp1252")))
    with av.open(str(go(source, scale=1).output)) as container:
        assert container.metadata["title"] == "Größe 5 €"
