"""Looking at a library before a run, and working out what the run would take."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from crashing_probe import crashing_probe
from whole_jobs import write_clip

from pipeline.config import RunConfig
from pipeline.planning.calibration import Calibration, CalibrationError, Measurement, load
from pipeline.planning.estimate import estimate, wall_time
from pipeline.planning.probe import Probe, probe
from pipeline.planning.survey import survey
from pipeline.rows import SourceRow
from pipeline.sources import expand
from stages.items import SplitTask
from stages.split.config import SplitConfig
from stages.split.stage import SplitStage

SMALL = SplitConfig(chunk_frames=8, overlap_frames=2)


def look(path: Path, config: SplitConfig = SMALL, quick: bool = False) -> Probe:
    (row,) = expand([path])
    return probe(row, config, quick)


def test_the_chunks_are_those_that_split_makes(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", frames=30, cut=13, audio="pcm_s16le")
    found = look(clip)
    task = SplitTask("v", clip, tmp_path, wanted=lambda chunk: False)
    assert found.chunks == tuple(len(made.chunk) for made in SplitStage(SMALL).run(task))
    assert (found.frames, found.width, found.height, found.exact, found.error) == (30, 48, 32, True, "")
    assert found.seconds == pytest.approx(30 / 25) and found.trouble == {}


def test_headers_alone_know_no_cuts(tmp_path: Path) -> None:
    found = look(write_clip(tmp_path / "a.mkv", frames=30, cut=13), quick=True)
    assert (found.frames, found.chunks, found.exact, found.sha256) == (30, (8, 8, 8, 8, 6), False, "")


def variable(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts in (0, 40, 90, 100, 180, 190, 300, 350):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), pts % 256, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def interlaced(path: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (64, 200), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme", "top": "1"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 96, 64, "yuv420p", 4_000_000
        for number in range(16):
            fields = [noise[:, 4 * number + 2 * field :][:, :96] for field in (0, 1)]
            woven = np.where((np.arange(64) % 2 == 0)[:, None], *fields)
            picture = np.repeat(woven[:, :, None], 3, axis=2).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tagged(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.color_primaries, stream.codec_context.color_trc = 9, 16
        for number in range(3):
            frame = av.VideoFrame(48, 32, "yuv420p")
            frame.pts, frame.color_primaries, frame.color_trc = number, 9, 16
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def broken_off(path: Path) -> Path:
    whole = write_clip(path.with_name("whole.mkv"), frames=30).read_bytes()
    path.with_name("whole.mkv").unlink()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


def two_angles(path: Path) -> Path:
    """A clip with a second video stream, and with a cover picture, which is kept."""
    cover = av.CodecContext.create("mjpeg", "w")
    cover.width, cover.height, cover.pix_fmt, cover.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    still = cover.encode(av.VideoFrame(32, 32, "yuvj420p")) + cover.encode(None)
    with av.open(str(path), "w") as container:
        angles = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        container.add_attachment("cover.jpg", "image/jpeg", b"".join(map(bytes, still)))
        for stream in angles:
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(3):
            for stream in angles:
                frame = av.VideoFrame(48, 32, "yuv420p")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in angles:
            container.mux(stream.encode(None))
    return path


def see_through(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuva420p"
        container.mux(stream.encode(av.VideoFrame(48, 32, "yuva420p")))
        container.mux(stream.encode(None))
    return path


def nothing(path: Path) -> Path:
    path.write_bytes(b"no video at all" * 10)
    return path


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda path: write_clip(path, frames=5), "no audio", "no sound"),
        (variable, "variable rate", "10 to 110 ms"),
        (interlaced, "interlaced", "16 of 16 frames, will be: deinterlaced"),
        (tagged, "odd colour tags", "transfer 16"),
        (broken_off, "damaged", "breaks off"),
        (two_angles, "more video", "1 more video stream, which is left out"),
        (see_through, "not kept", "alpha"),
        (nothing, "unreadable", "cannot be opened as a video"),
    ],
)
def test_trouble_is_found(tmp_path: Path, make: object, kind: str, words: str) -> None:
    name = "clip.mpg" if make is interlaced else "clip.mkv"
    found = look(make(tmp_path / name))  # type: ignore[operator]
    assert words in found.trouble.get(kind, ""), found.trouble
    assert bool(found.error) == (kind == "unreadable")


def test_more_video_streams_are_told_by_headers_alone_too(tmp_path: Path) -> None:
    assert look(two_angles(tmp_path / "clip.mkv"), quick=True).trouble["more video"].startswith("1 more video stream")


def test_a_file_that_crashes_the_decoder_or_cannot_be_had_is_named_and_stops_nobody(tmp_path: Path) -> None:
    rows = [SourceRow(name, name, name, 1, "") for name in ("a", "crash", "b", "offline")]
    seen: list[str] = []
    found = survey(rows, SMALL, 2, seen=lambda each: seen.append(each.source), look=crashing_probe)
    assert [bool(each.error) for each in found] == [False, True, False, True]
    assert "the decoder crashes on it" in found[1].error and sorted(seen) == ["a", "b", "crash", "offline"]
    assert found[3].error == "offline: [Errno 5] the network is down"


def test_after_a_crash_the_rest_is_looked_at_side_by_side_again() -> None:
    rows = [SourceRow(name, name, name, 1, "") for name in ("a", "crash", *map(str, range(30)))]
    found = survey(rows, SMALL, 2, look=crashing_probe)
    assert [each.source for each in found if each.error] == ["crash"]
    processes = {each.trouble["process"] for each in found if not each.error}
    assert len(processes) <= 2 + 5 + 2, "those in hand when it crashed have one each, all others share two again"


def test_copies_of_one_content_know_of_each_other(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", frames=5)
    (tmp_path / "b.mkv").write_bytes(clip.read_bytes())
    write_clip(tmp_path / "c.mkv", frames=5, seed=2)
    found = {Path(each.source).name: each for each in survey(expand([tmp_path]), SMALL, 1)}
    assert found["a.mkv"].trouble["duplicate"].startswith(f"the same content as {tmp_path / 'b.mkv'}")
    assert "duplicate" in found["b.mkv"].trouble and "duplicate" not in found["c.mkv"].trouble


def calibration(gpu: bool = True, seconds: float = 1.0) -> Calibration:
    rates = {"split": 0.1, "flow": 0.2, "sample": 1.0, "decode": 0.4, "assemble": 0.05}
    measured = [
        Measurement(stage=stage, pixels=pixels, frames=10, seconds=10 * rate * seconds * pixels / 1000, bytes=pixels)
        for stage, rate in rates.items()
        for pixels in (1000, 3000)
    ]
    return Calibration(
        device="a card", gpu=gpu, measured="2026-01-01", workspace="w", settings={}, measurements=tuple(measured)
    )


def test_seconds_follow_the_pixels_with_a_part_that_does_not() -> None:
    both = [
        Measurement(stage="flow", pixels=pixels, frames=10, seconds=10 * (0.5 + pixels / 1000), bytes=10)
        for pixels in (1000, 2000, 4000)
    ]
    fitted = calibration().model_copy(update={"measurements": tuple(both)})
    assert fitted.predict("flow", "seconds", 3000, 20) == pytest.approx(20 * 3.5)
    alone = calibration().model_copy(update={"measurements": (both[0],)})
    assert alone.predict("flow", "seconds", 2000, 10) == pytest.approx(30)
    with pytest.raises(CalibrationError, match="nothing about decode"):
        alone.predict("decode", "seconds", 1000, 1)


def test_an_estimate_is_work_times_measured_seconds_and_prices() -> None:
    config = RunConfig.model_validate(
        {"scale": 2, "pools": {stage: {"price": 3.6} for stage in ("split", "flow", "sample", "decode", "assemble")}}
    )
    found = [
        Probe("a", "a", 1, sha256="x", width=48, height=32, frames=12, chunks=(8, 8)),
        Probe("copy", "copy", 1, sha256="x", width=48, height=32, frames=12, chunks=(8, 8)),
        Probe("bad", "bad", 1, error="no"),
    ]
    made = estimate(found, config, calibration(), (1, 2))
    canvas = 96 * 64
    assert made.pools["sample"].worker_hours == pytest.approx(16 * canvas / 1000 / 3600)
    assert made.pools["split"].worker_hours == pytest.approx(16 * 0.1 * 48 * 32 / 1000 / 3600)
    assert made.pools["assemble"].worker_hours == pytest.approx(2 * 16 * 0.05 * canvas / 1000 / 3600)
    assert made.pools["sample"].gpu_hours == made.pools["sample"].worker_hours and made.pools["split"].gpu_hours == 0
    assert made.pools["sample"].cost == pytest.approx(3.6 * made.pools["sample"].worker_hours)
    assert made.cost == pytest.approx(3.6 * sum(pool.worker_hours for pool in made.pools.values()))
    assert made.output_bytes == pytest.approx(2 * 16 * canvas / 10, abs=1)
    assert made.scratch_bytes == pytest.approx(16 * (3 * canvas + 48 * 32) / 10, abs=2)


def test_wall_time_is_that_of_the_slowest_pool() -> None:
    hours = {"split": 1.0, "flow": 2.0, "sample": 10.0, "decode": 4.0, "assemble": 0.5}
    config = RunConfig()
    one = wall_time(hours, 1, config, True, 0.2)
    assert (one.hours, one.limit) == (16.0, "the GPUs")
    eight = wall_time(hours, 8, config, True, 0.2)
    assert (eight.pools["flow"], eight.pools["sample"], eight.pools["decode"]) == (1, 5, 2)
    assert eight.hours == 2.0
    many = wall_time(hours, 100, config, True, 0.2)
    assert (many.hours, many.limit) == (1.0, "split")
    one_long_video = wall_time(hours, 100, RunConfig(pools={"split": {"min": 10}}), True, 0.9)
    assert (one_long_video.hours, one_long_video.limit) == (0.9, "split")
    assert wall_time(hours, 2, config, False, 0.2).hours == sum(hours.values()) / 2


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_file_that_is_no_calibration_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "calibration.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CalibrationError, match="reelift calibrate --output") as caught:
        load(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
