"""A derivative that could not be made is tried again by the same line; the master stays as it is, and all before it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import bagit
import odd_clips
import pytest
import xmlschema
from boundaries import Killed, kill_at
from cheap_stages import cheap_stages
from s3_server import s3_environment, s3_server
from whole_jobs import tree

from pipeline.config import load_config
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.verify import verify
from stages.assemble import derivatives
from stages.media.ffmpeg import FfmpegError, file_url

SCHEMA = Path(__file__).parent / "premis" / "premis-v3-0.xsd"
WISHES = ["assemble.derivatives=[{kind: h264}, {kind: png}]", "limits.keep_artifacts=false"]
WISHES += ["split.chunk_frames=8", "split.overlap_frames=2"]
MASTER = "clip.mkv"
TOLD = "clip.h264.mp4, which cannot be made from the master (out of order)"
LOST = ["clip.provenance.json", "clip.premis.xml", "clip.sha256"]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    odd_clips.write_texture(tmp_path)
    odd_clips.ffmpeg(f"{odd_clips.TONE} {odd_clips.moving(seconds=0.4)} -c:v ffv1 -c:a pcm_s16le clip.mkv", tmp_path)
    (tmp_path / "clip.mkv").rename(folder / "clip.mkv")
    return folder


def go(library: Path, *more: str, output: str | Path = "") -> RunReport:
    config, root = load_config(overrides=[*WISHES, *more]), library.parent
    return run(config, [library], output or root / "restored", root / "workspace", stages=cheap_stages(config))


def without_mp4(library: Path, *more: str, output: str | Path = "") -> RunReport:
    """The same on a machine that cannot make the H.264."""

    def broken(graph: Any) -> bytes:
        if "h264.mp4" in str(graph.get_args()):
            raise FfmpegError("out of order")
        return kept(graph)

    kept = derivatives.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derivatives, "run", broken)
        return go(library, *more, output=output)


def stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def check_whole(root: Path, place: Path) -> None:
    assert all(not verdict.differences for folder in ("workspace", "restored") for verdict in verify(root / folder))
    line = ["sha256sum", "--check", "--strict", "--quiet", "clip.sha256"]
    subprocess.run(line, cwd=place, check=True, timeout=60)
    listed = {row.split("  ", 1)[1] for row in (place / "clip.sha256").read_text().splitlines()}
    assert listed == tree(place).keys() - {"clip.sha256"}
    told = json.loads((place / "clip.provenance.json").read_text())
    files = {file["name"]: file["sha256"] for file in told["result"]["files"]}
    assert files == {name: hashlib.sha256(data).hexdigest() for name, data in tree(place).items() if name not in LOST}
    assert told["result"]["left_out"] == told["result"]["failed_derivatives"] == ""
    assert told["result"]["derivatives"] == "clip.png, clip.h264.mp4"
    assert told["chunks"] and told["source"]["name"] == "clip.mkv"
    xmlschema.XMLSchema(str(SCHEMA)).validate((place / "clip.premis.xml").read_text())
    with av.open(file_url(place / "clip.h264.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10


@pytest.mark.parametrize("bag", [False, True])
def test_what_could_not_be_made_is_made_by_the_same_line_and_nothing_else_is(library: Path, bag: bool) -> None:
    root, more = library.parent, [f"assemble.bag={str(bag).lower()}"]
    place = root / "restored" / ("clip.bag/data" if bag else "")
    first = without_mp4(library, *more)
    assert first.ok and list(first.left_out.values()) == [TOLD]
    assert tree(place).keys() >= {MASTER, "clip.png/00000001.png"} and not (place / "clip.h264.mp4").exists()
    before = {name: stamp(place / name) for name in tree(place) if name not in LOST}

    second = go(library, *more)
    assert second.ok and second.left_out == {}
    assert second.stages["assemble"] == {"done": 1}
    assert not any(second.stages[stage] for stage in ("split", "flow", "sample", "decode"))
    assert {name: stamp(place / name) for name in before} == before
    check_whole(root, place)
    if bag:
        assert bagit.Bag(str(place.parent)).is_valid()
        assert sorted(path.name for path in (root / "restored").iterdir()) == ["clip.bag"]

    third = go(library, *more)
    assert third.count("reused") == 1 and third.computed() == 0


def test_what_its_chunks_take_is_given_back_while_it_lacks_a_derivative(library: Path) -> None:
    without_mp4(library, "limits.keep_artifacts=true")
    artifacts = library.parent / "workspace" / "artifacts"
    assert list(artifacts.glob("decode/*/*/artifact.json"))
    assert without_mp4(library).left_out
    assert {path.parts[len(artifacts.parts)] for path in artifacts.rglob("artifact.json")} == {"assemble"}


def test_what_cannot_be_made_again_changes_nothing_and_is_told_again(library: Path) -> None:
    without_mp4(library)
    before = tree(library.parent / "restored")
    again = without_mp4(library)
    assert again.ok and again.count("reused") == 1 and again.computed() == 0
    assert list(again.left_out.values()) == [TOLD]
    assert tree(library.parent / "restored") == before


@pytest.mark.parametrize("bag", ["false", "true"])
def test_so_it_is_where_the_output_is_a_bucket(library: Path, monkeypatch: pytest.MonkeyPatch, bag: str) -> None:
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import fsspec
    import s3fs

    with s3_server() as port:
        for name, value in s3_environment(f"http://127.0.0.1:{port}").items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = fsspec.filesystem("s3")
        bucket.mkdir("tapes")
        assert without_mp4(library, f"assemble.bag={bag}", output="s3://tapes").ok
        (master,) = (name for name in bucket.find("tapes") if name.endswith(MASTER))
        before = bucket.info(master)["LastModified"]
        second = go(library, f"assemble.bag={bag}", output="s3://tapes")
        assert second.ok and second.left_out == {} and second.stages["assemble"] == {"done": 1}
        assert bucket.info(master)["LastModified"] == before
        bucket.get("tapes", str(library.parent / "copy"), recursive=True)
        assert all(not verdict.differences for verdict in verify(library.parent / "copy"))
        assert any(name.endswith("/clip.h264.mp4") for name in bucket.find("tapes"))
        s3fs.S3FileSystem.clear_instance_cache()


def test_killed_anywhere_the_master_stays_and_the_next_run_makes_up_for_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = library.parent
    without_mp4(library)
    for name in ("workspace", "restored"):
        shutil.copytree(root / name, root / "kept" / name)
    target, killed = 0, True
    while killed:
        target, killed = target + 1, False
        for name in ("workspace", "restored"):
            shutil.rmtree(root / name)
            shutil.copytree(root / "kept" / name, root / name)
        master = stamp(root / "restored" / MASTER)
        with monkeypatch.context() as patch:
            kill_at(patch, target)
            try:
                go(library)
            except Killed:
                killed = True
        report = go(library)
        assert report.ok and not any(report.stages[stage] for stage in ("split", "flow", "sample", "decode")), target
        assert stamp(root / "restored" / MASTER) == master, target
        check_whole(root, root / "restored")
    assert target > 20
