"""Where the manual's commands are run: ``reelift``, a bucket, and the clips that the manual speaks of."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from odd_clips import ffmpeg, interlaced, write_texture
from quick_reelift import quick_reelift
from s3_server import s3_environment, s3_server
from whole_jobs import write_clip

from stages.media.ffmpeg import ffmpeg_program

SMALL, LARGE = (32, 24), (128, 96)


@dataclass(frozen=True)
class Desk:
    """Attributes:
    clips: every clip, by the name that the manual gives it.
    model: a model folder.
    surroundings: environment of the commands.
    """

    clips: Path
    model: Path
    surroundings: dict[str, str]


@contextmanager
def desk_at(clips: Path, model: Path) -> Iterator[Desk]:
    """Lend one; the clips are written into an empty folder."""
    _write_clips(clips)
    with (
        tempfile.TemporaryDirectory(prefix="desk") as folder,
        s3_server() as port,
        quick_reelift(Path(folder), model, clips / "samples" / "city.mkv") as programs,
    ):
        (programs / "ffmpeg").symlink_to(ffmpeg_program())
        yield Desk(
            clips,
            model,
            {
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                **s3_environment(f"http://127.0.0.1:{port}"),
            },
        )


def _write_clips(folder: Path) -> None:
    write_clip(folder / "samples/city.mkv", frames=26, size=SMALL)
    write_clip(folder / "samples/city_original.mkv", frames=26, size=LARGE)
    for number, name in enumerate(("tape", "name", "good", "aside_small", "tapes/1994-reel", "tapes/tape3")):
        write_clip(folder / f"{name}.mkv", frames=4 + number, size=SMALL, audio="flac", seed=number)
    for name, frames in (("aside", 7), ("original", 5)):
        write_clip(folder / f"{name}.mkv", frames=frames, size=LARGE)
    for name in ("more/reel", "captures/film3", "captures/menu"):
        write_clip(folder / f"{name}.mov", frames=10, size=SMALL, codec="mpeg4")
    write_texture(folder)
    ffmpeg(f"{interlaced('top')} -c:v mpeg2video -flags +ilme+ildct -b:v 4M captures/reel7.mov", folder)


def furnish(desk: Desk, folder: Path, broken: bool = False, long: bool = False) -> None:
    """Lay out the clips, a model, a configuration and the bucket in an empty folder.

    Args:
        desk: where the clips are.
        folder: an empty folder.
        broken: whether a tape is no video.
        long: whether ``tape.mkv`` has more than twelve and a half minutes; ``original.mkv`` then goes with the end.
    """
    shutil.copytree(desk.clips, folder, dirs_exist_ok=True)
    shutil.copytree(desk.model, folder / "models" / "mgld-vsr")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    (folder / "library.yaml").write_text("preset: balanced\nmodel: models/mgld-vsr\n")
    if broken:
        (folder / "tapes" / "broken.mkv").write_bytes(b"nothing")
    if long:
        write_clip(folder / "tape.mkv", frames=156, size=SMALL, rate=Fraction(1, 5))
        # A piece that is copied begins at the cue before its time: eight frames for ten seconds here.
        write_clip(folder / "original.mkv", frames=8, size=LARGE, rate=Fraction(1, 5))
    _fill_bucket(desk)


def _fill_bucket(desk: Desk) -> None:
    import s3fs

    address = desk.surroundings["AWS_ENDPOINT_URL_S3"]
    bucket = s3fs.S3FileSystem(endpoint_url=address, key="testing", secret="testing", skip_instance_cache=True)
    if bucket.exists("bucket"):
        bucket.rm("bucket", recursive=True)
    bucket.mkdir("bucket")
    for name in ("tapes/piece", "tapes/tape3", "captures/one"):
        bucket.put_file(str(desk.clips / "good.mkv"), f"bucket/{name}.mkv")
