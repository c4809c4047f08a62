"""What an archive is handed: master, derivatives, fixity, provenance, PREMIS and a bag, from one small run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import bagit
import mediaconch
import odd_clips
import pytest
import xmlschema
from cheap_stages import cheap_stages

from pipeline.config import RunConfig, load_config
from pipeline.output_names import FILES
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.verify import verify
from stages.media.frames import file_colour, rgb_from_picture
from stages.media.planes import components

SCHEMA = Path(__file__).parent / "premis" / "premis-v3-0.xsd"
KINDS = ["prores", "h264", "h265", "av1", "dpx", "png"]
WORDS = (
    f"{odd_clips.TONE} {odd_clips.moving('30000/1001', 0.5)},setsar=8/9 -c:v ffv1 -c:a pcm_s16le -timecode 01:00:00:00 "
    "-metadata title=Fest clip.mkv"
)


@dataclass(frozen=True)
class Done:
    root: Path
    report: RunReport

    @property
    def output(self) -> Path:
        return self.root / "restored"


def go(root: Path, config: RunConfig, **more: Any) -> Done:
    report = run(config, [root / "library"], root / "restored", root / "workspace", stages=cheap_stages(config, **more))
    assert report.ok, report.failures
    return Done(root, report)


def library(root: Path, words: str = WORDS) -> None:
    (root / "library").mkdir()
    odd_clips.write_texture(root)
    odd_clips.ffmpeg(words, root)
    (root / "clip.mkv").rename(root / "library" / "clip.mkv")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    root = tmp_path_factory.mktemp("archive")
    library(root)
    derivatives = "[" + ", ".join(f"{{kind: {kind}}}" for kind in KINDS) + "]"
    wishes = [f"assemble.derivatives={derivatives}", "split.chunk_frames=9", "split.overlap_frames=2"]
    return go(root, load_config(overrides=wishes), failures=root / "failed once")


def frames(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_everything_is_there(done: Done) -> None:
    found = {path.relative_to(done.output).as_posix() for path in done.output.rglob("*") if path.is_file()}
    images = {f"clip.{kind}/{number:08d}.{kind}" for kind in ("dpx", "png") for number in range(1, 16)}
    images |= {"clip.dpx/sound.wav", "clip.png/sound.wav"}
    plain = [
        "mkv",
        "framemd5",
        "sha256",
        "provenance.json",
        "premis.xml",
        "prores.mov",
        "h264.mp4",
        "h265.mp4",
        "av1.mp4",
    ]
    assert found == images | {f"clip.{suffix}" for suffix in plain}
    own = [*plain, "mcc", "dpx", "png", "bag"]
    assert {f".{suffix}" for suffix in own} == set(FILES), "no folder of sources may have one of these names"


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "audio"),
    [
        ("clip.prores.mov", "prores", "yuv422p10le", "pcm_s24le"),
        ("clip.h264.mp4", "h264", "yuv420p", "aac"),
        ("clip.h265.mp4", "hevc", "yuv420p10le", "aac"),
        ("clip.av1.mp4", "av1", "yuv420p10le", "aac"),
    ],
)
def test_a_derivative_is_the_master_for_use(done: Done, name: str, codec: str, pix_fmt: str, audio: str) -> None:
    with av.open(str(done.output / name)) as container:
        stream = container.streams.video[0]
        decoder = {"libdav1d": "av1"}.get(stream.codec_context.name, stream.codec_context.name)
        assert (decoder, stream.codec_context.pix_fmt) == (codec, pix_fmt)
        assert stream.sample_aspect_ratio == Fraction(8, 9)
        assert [each.codec_context.name for each in container.streams.audio] == [audio]
        assert container.metadata["title"] == "Fest"
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert times == [Fraction(1001 * number, 30000) for number in range(15)]
    if name.endswith("mp4"):
        data = (done.output / name).read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")
    else:
        data = (done.output / name).read_bytes()
        assert b"tmcd" in data and b"apch" in data


@pytest.mark.parametrize(("kind", "pix_fmt"), [("dpx", "gbrp10le"), ("png", "rgb48be")])
def test_images_are_the_masters_frames(done: Done, kind: str, pix_fmt: str) -> None:
    (image,) = frames(done.output / f"clip.{kind}" / f"00000015.{kind}")
    assert image.format.name == pix_fmt and (image.width, image.height) == (64, 48)
    master = done.output / "clip.mkv"
    theirs = rgb_from_picture(frames(master)[-1], file_colour(master))
    samples = image.reformat(format="gbrp16le") if kind == "png" else image
    top = 2 ** samples.format.components[0].bits - 1
    for found, wanted in zip(components(samples), theirs.transpose(2, 0, 1), strict=True):
        assert abs(found.astype(int) - wanted * top).max() < 1


def test_the_master_passes_the_policy_and_says_what_it_is(done: Done, tmp_path: Path) -> None:
    master, source = done.output / "clip.mkv", done.root / "library" / "clip.mkv"
    with av.open(str(master)) as container:
        tags = container.metadata
    assert tags["RESTORED_FROM"] == "clip.mkv"
    assert tags["RESTORED_FROM_SHA256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert tags["RESTORATION"].startswith("Machine-restored derivative of clip.mkv. ") and tags["title"] == "Fest"
    if not mediaconch.installed():
        pytest.skip("mediaconch is not installed (Debian: apt-get install mediaconch)")
    assert mediaconch.verdict(master, tmp_path).startswith("pass!")
    assert mediaconch.verdict(source, tmp_path).startswith("fail!")


def test_sums_agree_with_sha256sum(done: Done) -> None:
    line = ["sha256sum", "--check", "--strict", "--quiet", "clip.sha256"]
    subprocess.run(line, cwd=done.output, check=True, timeout=60)
    listed = {row.split("  ", 1)[1] for row in (done.output / "clip.sha256").read_text().splitlines()}
    every = {path.relative_to(done.output).as_posix() for path in done.output.rglob("*") if path.is_file()}
    assert listed == every - {"clip.sha256"}


def test_the_account_has_everything(done: Done) -> None:
    told = json.loads((done.output / "clip.provenance.json").read_text())
    source = done.root / "library" / "clip.mkv"
    assert told["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert told["source"]["video"]["sample_aspect_ratio"] == "8/9"
    for file in told["result"]["files"]:
        assert hashlib.sha256((done.output / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert told["result"]["frames"] == 15 and told["seed"] == 42
    assert told["decisions"]["fields"][0]["treatment"] == "progressive"
    assert told["decisions"]["matrix"] == "untagged; 48 rows, standard definition, so SMPTE170M"
    assert set(told["stages"]) == {"split", "flow", "sample", "decode", "assemble"}
    assert told["stages"]["split"]["parameters"]["chunk_frames"] == 9
    assert {"reelift", "torch", "av", "ffmpeg", "python"} <= set(told["versions"])
    assert [(c["first_frame"], c["end_frame"]) for c in told["chunks"]] == [(0, 9), (7, 15)]
    (failed,) = told["attempts_that_failed"]
    assert (failed["stage"], failed["attempt"], failed["message"]) == ("decode", 1, "out of luck")


def test_premis_is_valid_and_can_be_invalid(done: Done) -> None:
    schema = xmlschema.XMLSchema(str(SCHEMA))
    text = (done.output / "clip.premis.xml").read_text()
    schema.validate(text)
    assert not schema.is_valid(text.replace("eventDateTime", "eventTime"))
    kinds = re.findall(r"<premis:eventType>(.+?)</premis:eventType>", text)
    assert kinds == [
        "message digest calculation",
        "decoding",
        "modification",
        "validation",
        "migration",
        "modification",
    ]
    outcomes = re.findall(r"<premis:eventOutcome>(.+?)</premis:eventOutcome>", text)
    assert outcomes == ["success"] * 5 + ["fail"]


def test_all_of_it_verifies(done: Done) -> None:
    for place in (done.root / "workspace", done.output):
        (verdict,) = verify(place)
        assert verdict.video == "clip.mkv" and verdict.differences == ()


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def without_a_packet(kind: str) -> Callable[[Path], None]:
    """Copies all packets but the fifth of a kind: a frame of video, or what one packet of audio holds."""

    def alter(path: Path) -> None:
        whole = path.rename(path.with_name(f"whole{path.suffix}"))
        with av.open(str(whole)) as given, av.open(str(path), "w") as made:
            kept = [*given.streams.video, *given.streams.audio]
            streams = {stream.index: made.add_stream_from_template(stream) for stream in kept}
            passed = 0
            for packet in given.demux(kept):
                passed += packet.stream.type == kind
                if packet.size and (packet.stream.type != kind or passed != 5):
                    packet.stream = streams[packet.stream.index]
                    made.mux(packet)
        whole.unlink()

    return alter


NAMES = ["mkv", "framemd5", "premis.xml", "provenance.json", "sha256", "prores.mov", "h264.mp4", "h265.mp4", "av1.mp4"]
ALTERATIONS: list[tuple[str, Callable[[Path], None]]] = [
    *((f"clip.{suffix}", altered) for suffix in NAMES),
    *((f"clip.{kind}/{name}", altered) for kind in ("dpx", "png") for name in (f"00000003.{kind}", "sound.wav")),
    *((f"clip.{suffix}", without_a_packet(kind)) for suffix in ("mkv", "h264.mp4") for kind in ("video", "audio")),
    *((name, Path.unlink) for name in ("clip.mkv", "clip.prores.mov", "clip.provenance.json", "clip.png/00000004.png")),
]


@pytest.mark.parametrize(("name", "alter"), ALTERATIONS)
def test_one_byte_frame_packet_or_file_is_found(
    done: Done, tmp_path: Path, name: str, alter: Callable[[Path], None]
) -> None:
    path, kept = done.output / name, tmp_path / "kept"
    shutil.copy(path, kept)
    try:
        alter(path)
        for place in ("workspace", "restored"):
            (verdict,) = verify(done.root / place)
            said = " ".join(verdict.differences)
            assert Path(name).name in said or (alter is Path.unlink and "is missing" in said), place
    finally:
        shutil.copy(kept, path)


def test_a_file_among_the_images_that_nobody_wrote_is_found(done: Done) -> None:
    more = done.output / "clip.dpx" / "00000016.dpx"
    shutil.copy(done.output / "clip.dpx" / "00000015.dpx", more)
    try:
        for place in ("workspace", "restored"):
            (verdict,) = verify(done.root / place)
            assert verdict.differences == ("clip.dpx/00000016.dpx is there and was not written with the others",)
    finally:
        more.unlink()


def test_many_missing_files_are_counted(done: Done, tmp_path: Path) -> None:
    images = [done.output / "clip.png", done.output / "clip.dpx"]
    for folder in images:
        folder.rename(tmp_path / folder.name)
    try:
        for place in ("workspace", "restored"):
            (verdict,) = verify(done.root / place)
            assert len(verdict.differences) == 21 and verdict.differences[-1] == "and 12 more"
    finally:
        for folder in images:
            (tmp_path / folder.name).rename(folder)


def test_captions_are_handed_over_accounted_for_and_verified(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    odd_clips.make("captions.m2v", tmp_path).rename(tmp_path / "library" / "clip.m2v")
    output = go(tmp_path, load_config()).output
    captions = output / "clip.mcc"
    told = json.loads((output / "clip.provenance.json").read_text())
    assert told["result"]["captions"] == 35 and "CEA-708" in told["result"]["left_out"]
    premis = (output / "clip.premis.xml").read_text()
    xmlschema.XMLSchema(str(SCHEMA)).validate(premis)
    assert "<premis:eventType>extraction</premis:eventType>" in premis and "MacCaption" in premis
    assert all(not verdict.differences for place in ("workspace", "restored") for verdict in verify(tmp_path / place))

    (record,) = (tmp_path / "workspace" / "artifacts" / "assemble").rglob("artifact.json")
    before = hashlib.sha256(captions.read_bytes()).hexdigest()
    captions.write_text(captions.read_text().replace("00:00:00:03\t", "00:00:00:04\t"))
    (verdict,) = verify(tmp_path / "workspace")
    assert verdict.differences == ("clip.mcc has another SHA-256 than it was written with",)
    record.write_text(record.read_text().replace(before, hashlib.sha256(captions.read_bytes()).hexdigest()))
    (verdict,) = verify(tmp_path / "workspace")
    assert verdict.differences == ("clip.mcc: its 35 captions are not the source's 35",)


def test_a_bag_validates_and_resumes(tmp_path: Path) -> None:
    library(tmp_path)
    config = load_config(overrides=["assemble.bag=true"])
    go(tmp_path, config)
    bag = tmp_path / "restored" / "clip.bag"
    assert bagit.Bag(str(bag)).is_valid()
    assert (bag / "data" / "clip.mkv").is_file() and not (tmp_path / "restored" / "clip.mkv").exists()
    assert go(tmp_path, config).report.count("reused") == 1
    for place in ("workspace", "restored"):
        assert all(not verdict.differences for verdict in verify(tmp_path / place))
    altered(bag / "bag-info.txt")
    (bag / "data" / "more.txt").write_text("x")
    said = [line for verdict in verify(tmp_path / "restored") for line in verdict.differences]
    assert any("bag-info.txt" in line for line in said) and any("more.txt" in line for line in said)
    assert any(verdict.differences for verdict in verify(tmp_path / "workspace"))


def test_a_bag_takes_every_name_but_those_that_its_manifests_cannot_spell(tmp_path: Path) -> None:
    library(tmp_path, f"{odd_clips.moving('25', 0.2)} -c:v ffv1 clip.mkv")
    names = ["a%0Ab", "c%0dd", "50%", "line\nbreak", "x%41"]
    for number, name in enumerate(names):
        odd_clips.ffmpeg(f"{odd_clips.moving('25', 0.2, step=number)} -c:v ffv1 clip.mkv", tmp_path)
        (tmp_path / "clip.mkv").rename(tmp_path / "library" / f"{name}.mkv")
    config = load_config(overrides=["assemble.bag=true"])
    places = [tmp_path / "library"], tmp_path / "restored", tmp_path / "workspace"
    report = run(config, *places, stages=cheap_stages(config, scale=2))
    told = "%0A and %0D in a name mean line breaks in a BagIt bag; rename it, or set assemble.bag to false"
    refused = {failure.source: failure.message.removeprefix(f"{failure.source}: ") for failure in report.failures}
    assert refused == {str(tmp_path / "library" / f"{name}.mkv"): told for name in names[:2]}
    bags = {path.name: bagit.Bag(str(path)).is_valid() for path in (tmp_path / "restored").iterdir()}
    assert bags == {f"{name}.bag": True for name in ("clip", *names[2:])}
    for place in ("workspace", "restored"):
        assert all(not verdict.differences for verdict in verify(tmp_path / place))


def test_with_other_settings_nothing_of_the_old_result_stays(tmp_path: Path) -> None:
    library(tmp_path)
    wishes = ["assemble.derivatives=[{kind: h264}, {kind: png}]", "assemble.sha256=false", "assemble.provenance=false"]
    go(tmp_path, load_config(overrides=wishes))
    places = [tmp_path / "library"], tmp_path / "restored", tmp_path / "workspace"
    for wish, wanted in (("bag=true", {"clip.bag"}), ("framemd5=false", {"clip.mkv"})):
        config = load_config(overrides=["assemble.sha256=false", "assemble.provenance=false", f"assemble.{wish}"])
        assert run(config, *places, stages=cheap_stages(config, scale=2), allow_changed=True).ok
        assert {path.name for path in (tmp_path / "restored").iterdir()} == wanted
        assert all(not verdict.differences for verdict in verify(tmp_path / "workspace"))


def test_odd_sizes_and_colours_have_derivatives_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tmp_path, f"{odd_clips.moving('25', 0.2)},format=gbrp,crop=63:47 -c:v ffv1 -pix_fmt bgr0 clip.mkv")
    go(tmp_path, load_config(overrides=["assemble.derivatives=[{kind: h264}, {kind: png}]"]))
    (first, *_) = frames(tmp_path / "restored" / "clip.h264.mp4")
    (image,) = frames(tmp_path / "restored" / "clip.png" / "00000001.png")
    assert (first.width, first.height, first.colorspace) == (64, 48, 1)
    assert (image.width, image.height) == (63, 47)
    seen = first.to_ndarray(format="rgb24")[:47, :63].astype(int) - image.to_ndarray(format="rgb24").astype(int)
    assert abs(seen @ [0.2126, 0.7152, 0.0722]).mean() < 4  # colour alone loses to 4:2:0
