"""``reelift plan`` and ``reelift calibrate`` as whole jobs: the figures are those of the run that follows."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from image_folders import write_images
from rich.console import Console
from whole_jobs import TINY, check_restored, content, events, write_clip

from jobs.calibrate import calibrate
from jobs.excerpt import excerpt
from jobs.invocation import run_function
from jobs.plan import Plan, plan, show_plan, size, told_hours
from jobs.reprocess import reprocess
from jobs.restore import restore
from pipeline.planning.estimate import Estimate, PoolEstimate, WallTime
from pipeline.report import RunReport

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run a command line in this process, in an empty folder."""

    def run(command: Callable[..., int], *words: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        # a console keeps the COLUMNS it was made with, which parallel tests set to 80
        monkeypatch.setattr("jobs.console._console", Console(stderr=True, width=200))
        monkeypatch.setattr("sys.argv", [command.__name__, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            run_function(command, command.__name__)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@dataclass(frozen=True)
class Place:
    """A library, and the settings of the jobs on it."""

    library: Path
    settings: list[str]


@pytest.fixture
def place(tmp_path: Path, model: Path) -> Place:
    library = tmp_path / "library"
    write_clip(library / "a.mkv", frames=20, size=(112, 96), cut=9, audio="pcm_s16le")
    write_clip(library / "b.mkv", frames=10, size=(64, 48), seed=2)
    (library / "bad.mkv").write_bytes(b"nothing")
    settings = {**TINY, "model": str(model)}
    return Place(library, [word for key, value in settings.items() for word in ("--set", f"{key}={value}")])


def test_a_plan_tells_what_the_run_then_does(call: Call, place: Place, tmp_path: Path) -> None:
    code, out, err = call(plan, place.library, *place.settings, "--workers", 1)
    assert code == 2 and out == ""
    assert "2 of 3 videos can be restored: 30 frames" in err and "unreadable" in err
    assert "in 5 chunks; 1 without sound" in err and "no audio" not in err
    assert "warning: no hours and bytes: nothing was measured yet: run 'reelift calibrate', or add --sample 5" in err

    code, out, err = call(calibrate, place.library / "a.mkv", "--seconds", 0.4, *place.settings)
    assert code == 0 and "written to calibration.json" in err, err

    measured = json.loads((tmp_path / "calibration.json").read_text())["measurements"]
    for stage in ("split", "flow", "sample", "decode", "assemble"):
        assert len({each["pixels"] for each in measured if each["stage"] == stage}) == 2, stage

    code, out, err = call(plan, place.library, *place.settings, "--workers", 1, "--json", "--gpus", 2)
    made = json.loads(out)
    assert made["totals"]["readable"] == 2 and made["totals"]["frames"] == 30 and made["totals"]["exact"]
    assert made["estimate"]["pools"]["sample"]["worker_hours"] > 0 and made["estimate"]["wall"][0]["devices"] == 2

    work = tmp_path / "work"
    words = [place.library / "a.mkv", place.library / "b.mkv", "-o", tmp_path / "out", "-w", work, *place.settings]
    assert call(restore, *words, "--executor", "local")[0] == 0
    sampled = [row for row in events(work) if row["stage"] == "sample" and row["outcome"] == "done"]
    assert len(sampled) == made["totals"]["chunks"]
    scratch = sum(row["bytes"] for row in events(work) if row["stage"] != "assemble" and row["outcome"] == "done")
    assert made["estimate"]["scratch_bytes"] == pytest.approx(scratch, rel=0.5)

    code, out, err = call(calibrate, "--from", work, "-o", "again.json")
    again: dict[str, Any] = json.loads((tmp_path / "again.json").read_text())
    assert taken(again, "sample") == pytest.approx(after_the_first(sampled), abs=1e-3)

    # With other settings, nothing of what the old ones took.
    assert call(reprocess, work, "--set", "sample.steps=1", "--executor", "local")[0] == 0
    assert call(calibrate, "--from", work, "-o", "new.json")[0] == 0
    new = json.loads((tmp_path / "new.json").read_text())
    later = [row for row in events(work) if row["epoch"] == 2 and row["outcome"] == "done"]
    assert {row["stage"] for row in later} == {"sample", "decode", "assemble"}
    resampled = [row for row in later if row["stage"] == "sample"]
    assert taken(new, "sample") == pytest.approx(after_the_first(resampled), abs=1e-3)
    assert taken(new, "assemble") == pytest.approx(
        sum(row["seconds"] for row in later if row["stage"] == "assemble"), abs=1e-3
    )
    assert taken(new, "flow") == taken(again, "flow") and taken(new, "split") == taken(again, "split")

    code, _, err = call(plan, place.library, *place.settings, "--set", "sample.steps=1", "--workers", 1)
    assert code == 2 and "calibration.json was measured with other settings of sample" in err


def taken(calibration: dict[str, Any], stage: str) -> float:
    """Seconds of a stage in a calibration, over all sizes."""
    return sum(each["seconds"] for each in calibration["measurements"] if each["stage"] == stage)


def after_the_first(rows: list[dict[str, Any]]) -> float:
    """Seconds of all but the first chunk of a worker, which pays for what is loaded once."""
    return sum(row["seconds"] for row in rows[1:])


def test_a_sample_is_restored_first_and_measured(call: Call, place: Place, tmp_path: Path) -> None:
    words = [place.library / "a.mkv", place.library / "b.mkv", *place.settings, "--sample", 0.2, "--workers", 1]
    code, _, err = call(plan, *words)
    assert code == 0 and "worker-hours" in err, err
    clips = sorted((tmp_path / "sample" / "clips").iterdir())
    assert [clip.name for clip in clips] == ["00-a.mkv", "01-b.mkv"]
    for clip in clips:
        check_restored(clip, tmp_path / "sample" / "restored" / clip.name)
        assert (tmp_path / "sample" / f"{clip.stem}.png").exists()
    check_sound(place.library / "a.mkv", clips[0], 0.28, 0.48)
    assert not content(clips[1]).audio


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["library", "--sample-folder", "library/look"], "the --sample-folder {}/library/look is inside the input {}"),
        (["library/a.mkv", "."], "the --sample-folder {}/sample is inside the input ."),
        (["**/*.mkv"], "{}/sample/clips/00-tape.mkv in the --sample-folder would match the input **/*.mkv"),
        (["*"], "{}/sample/clips/00-tape.mkv in the --sample-folder would match the input *"),
    ],
)
def test_a_sample_is_not_put_where_restore_would_take_it_for_a_video(
    call: Call, place: Place, tmp_path: Path, words: list[str], said: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(plan, *words, *place.settings, "--sample", 0.2, "--workers", 1)
    assert (code, out) == (1, "") and f"error: {said.format(tmp_path, 'library')}; choose another folder" in err, err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_excerpt_that_cannot_be_restored_leaves_the_figures_of_the_others(
    call: Call, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(path: Path, target: Path, seconds: float) -> int:
        count = excerpt(path, target, seconds)
        if path.name == "b.mkv":
            target.write_bytes(b"nothing")
        return count

    monkeypatch.setattr("jobs.trial.excerpt", spoiled)
    words = [place.library / "a.mkv", place.library / "b.mkv", *place.settings, "--sample", 0.2, "--workers", 1]
    code, out, err = call(plan, *words, "--json", "--set", "limits.keep_artifacts=false")
    assert code == 2 and "cannot be opened as a video" in err and "look at sample/00-a.png" in err, err
    assert json.loads(out)["estimate"]["pools"]["sample"]["worker_hours"] > 0


def test_a_sample_in_bags_is_looked_at_there_and_measured(call: Call, place: Place, tmp_path: Path) -> None:
    words = [place.library / "b.mkv", *place.settings, "--sample", 0.2, "--workers", 1]
    code, _, err = call(plan, *words, "--set", "assemble.bag=true")
    assert code == 0 and "worker-hours" in err, err
    assert (tmp_path / "sample" / "00-b.png").exists()
    shown = next(line for line in err.splitlines() if line.startswith("look at "))
    assert (tmp_path / shown.rpartition(" ")[2]).is_file()


def test_a_sample_that_is_stopped_ends_the_plan_as_stopped(
    call: Call, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = RunReport("w", "o", epoch=1, seconds=1.0, videos={}, stages={}, left=1)
    monkeypatch.setattr("pipeline.run.run", lambda *given, **more: stopped)
    code, out, err = call(plan, place.library / "b.mkv", *place.settings, "--sample", 0.2, "--workers", 1)
    assert (code, out) == (130, "") and "The same command line goes on from here" in err


def check_sound(source: Path, clip: Path, begin: float, end: float) -> None:
    """The clip holds the packets of its span, at their times in it, and no others."""

    def sounds(path: Path) -> list[tuple[float, bytes]]:
        with av.open(str(path)) as container:
            return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.size]

    wanted = [(time - begin, data) for time, data in sounds(source) if begin <= time < end]
    found = sounds(clip)
    assert len(wanted) > 5 and [data for _, data in found] == [data for _, data in wanted]
    for (here, _), (there, _) in zip(found, wanted, strict=True):
        assert here == pytest.approx(there, abs=0.0011)


def test_hours_cost_and_time_read_well(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.console._console", Console(stderr=True, width=200))
    pools = {"flow": PoolEstimate(1.0, 1.0, 2.5, 10**6), "sample": PoolEstimate(4.0, 4.0, 10.0, 2 * 10**9)}
    walls = [
        WallTime(1, 5.0, {"flow": 1, "sample": 1}, "the GPUs"),
        WallTime(5, 1.0, {"flow": 1, "sample": 4}, "sample"),
    ]
    show_plan(Plan([], Estimate(pools, 2 * 10**9, 10**6, 12.5, walls), "", "a GPU", {}))
    said = capsys.readouterr().err
    assert "output 1 MB, artifacts 2 GB, cost 12.50\n" in said and "│ 10.00 │" in said, said
    assert "  1 GPU: 5 h 00 min, limited by the GPUs  flow 1  sample 1\n" in said
    assert "  5 GPUs: 1 h 00 min, limited by sample  flow 1  sample 4\n" in said

    cores = [WallTime(count, 2.0 / count, {}, "the cores, which all pools share") for count in (1, 2)]
    show_plan(Plan([], Estimate({}, 0, 0, None, cores), "", "a CPU", {}))
    said = capsys.readouterr().err
    assert "no cost, because no price is set (pools.STAGE.price)\n" in said
    assert "  1 such machine: 2 h 00 min, limited by the cores, which all pools share\n" in said
    assert "  2 such machines: 1 h 00 min" in said


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0.0, "0"), (0.0000448, "<0.001"), (0.0554, "0.0554"), (99.96, "100"), (1234.5, "1,234"), (6.3e6, "6,300,000")],
)
def test_hours_of_a_clip_and_of_an_archive_are_plain_numbers(hours: float, shown: str) -> None:
    assert told_hours(hours) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(999, "999 B"), (999_700, "1 MB"), (1_234_567, "1.23 MB"), (5 * 10**18, "5,000 PB")],
)
def test_bytes_are_plain_numbers(count: int, shown: str) -> None:
    assert size(count) == shown


def test_headers_alone_are_quick_and_say_so(call: Call, place: Place) -> None:
    for name in ("readme.txt", "Tape 3.txt", "sound.WAV", "label", ".hidden", "below/list.csv"):
        (place.library / name).parent.mkdir(exist_ok=True)
        (place.library / name).touch()
    write_images(place.library / "scan", "png", frames=3)
    code, _, err = call(plan, place.library, "--quick")
    assert code == 2 and "at least (headers alone)" in err
    kinds = "2 .txt, 1 .csv, 1 without suffix, 1 .wav"
    (line,) = [line for line in err.splitlines() if line.startswith("left alone")]
    assert sorted(line.split(": ")[1].split("; ")[0].split(", ")) == sorted(kinds.split(", "))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere/*.mkv"], "no video was found in nowhere/*.mkv"),
        (["library", "--set", "sample.step=1"], "sample.step is not a setting"),
        (["library/a.mkv", "--calibration", "none.json"], "none.json: no such file; 'reelift calibrate"),
    ],
)
def test_wrong_calls_are_one_line(call: Call, place: Place, words: list[str], message: str) -> None:
    code, out, err = call(plan, *words, "--workers", 1)
    assert code == 1 and out == "" and message in err and err.count("\n") == 1


def test_calibrating_from_what_is_no_run_is_refused(call: Call, tmp_path: Path) -> None:
    code, _, err = call(calibrate, "--from", tmp_path)
    assert code == 1 and "no workspace is there" in err


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", ".: a folder; name a file with --output"),
        ("nowhere/mine.json", "nowhere/mine.json: there is no folder nowhere; make it, or name another file"),
    ],
)
def test_a_calibration_that_cannot_be_written_is_refused_before_anything_is_measured(
    call: Call, place: Place, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    monkeypatch.setattr("jobs.calibrate.excerpt", lambda *given: pytest.fail("it began"))
    code, _, err = call(calibrate, place.library / "a.mkv", "-o", output, *place.settings)
    assert code == 1 and err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["library/a.mkv"], "VIDEO"),
        (["--seconds", 4, "--scale", 2, "--set", "seed=1"], "--set, --scale, --seconds"),
        (["--preset", "detail", "--config", "run.yaml", "--executor", "ray"], "--config, --preset, --executor"),
    ],
)
def test_what_a_finished_run_cannot_be_read_off_with_is_refused(
    call: Call, finished: Path, tmp_path: Path, words: list[object], named: str
) -> None:
    code, _, err = call(calibrate, *words, "--from", finished)
    assert code == 1 and f"leave out {named}, or leave out --from" in err and err.count("\n") == 1, err
    assert not (tmp_path / "calibration.json").exists()


@pytest.fixture
def finished(call: Call, place: Place, tmp_path: Path) -> Path:
    """A workspace whose run is done."""
    words = [place.library / "b.mkv", "-o", tmp_path / "out", "-w", tmp_path / "work", *place.settings]
    assert call(restore, *words, "--executor", "local")[0] == 0
    return tmp_path / "work"


def test_reading_a_run_of_other_machines_says_so(
    call: Call, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = call(calibrate, "--from", finished)
    assert code == 0 and "warning" not in err, err
    ran = platform.node()
    assert json.loads((tmp_path / "calibration.json").read_text())["nodes"] == [ran]
    monkeypatch.setattr("platform.node", lambda: "a-laptop")
    code, _, err = call(calibrate, "--from", finished)
    (warning,) = [line for line in err.splitlines() if line.startswith("warning")]
    assert code == 0 and f"the networks ran on {ran}, and the device named is that of a-laptop" in warning


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: .*", "model: /gone/model", "/gone/model"),
        ("device: .*", "device: mtia", "device 'mtia' cannot be used"),
    ],
)
def test_a_run_that_cannot_be_read_here_is_one_line(
    call: Call, finished: Path, old: str, new: str, message: str
) -> None:
    record = finished / "run.yaml"
    record.write_text(re.sub(old, new, record.read_text()))
    code, _, err = call(calibrate, "--from", finished)
    assert code == 1 and message in err and err.count("\n") == 1, err
