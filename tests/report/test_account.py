"""What the report says of simulated runs must be what ``status`` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.sources import InputError
from pipeline.status import status
from pipeline.storage import Storage, StorageError
from report.account import read_account
from report.build import build_report, page_name
from report.settings import ReportSettings

NOTHING = ReportSettings(frames=0, measure=0)


def restore(root: Path, simulation: Simulation, changed: bool = False) -> RunReport:
    library = root / "library"
    (library / "a").mkdir(parents=True, exist_ok=True)
    for name, words in (("a/one.mp4", "25 one"), ("two.mp4", "20 two"), ("twin.mp4", "20 two"), ("bad.mp4", "bad")):
        if not (library / name).exists():
            (library / name).write_text(words)
    return run(RunConfig(), [library], root / "out", root / "run", stages=simulation.factories(), allow_changed=changed)


def test_states_reasons_and_chunks_are_those_of_status(tmp_path: Path) -> None:
    restore(tmp_path, Simulation(faults={("decode", 2): "raise"}))
    storage = Storage(tmp_path / "run")
    account, said = read_account(storage), status(storage)
    assert [(video.output, video.state) for video in account.videos] == [
        *(("a/one", "failed"), ("bad", "failed")),
        *(("twin", "done"), ("two", "done")),
    ]
    assert said["videos"] == {"total": 4, "done": 2, "failed": 2, "left": 0}
    one, bad, twin, two = account.videos
    assert one.reasons == ["RuntimeError: decode of chunk 2 went wrong"] or "chunk 2 went wrong" in one.reasons[0]
    assert "not a video" in bad.reasons[0]
    assert [row[2:4] for row in one.content.chunk_rows()] == [(0, 10), (10, 20), (20, 25)]
    assert one.content.stages["decode"].outcomes == {"done": 2, "retried": 2, "gave_up": 1}
    assert [event["outcome"] for event in one.troubles()] == ["retried", "retried", "gave_up"]
    assert not one.published and one.seconds() > 0
    assert twin.content is two.content and twin.finished and two.published
    assert account.seconds()["decode"] == pytest.approx(said["stages"]["decode"]["seconds"], abs=0.01)


def test_a_source_that_cannot_be_split_is_counted_where_it_failed(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    build_report(tmp_path / "run", settings=NOTHING)
    page = (tmp_path / "run/report/index.html").read_text()
    assert 'aria-label="split: 3 videos done, 1 failed, ' in page and 'aria-label="assemble: 3 videos done, ' in page


def test_a_video_restored_again_forgets_what_was_before(tmp_path: Path) -> None:
    restore(tmp_path, Simulation(faults={("decode", 2): "item"}))
    restore(tmp_path, Simulation(settings={"split": 1}, chunk_frames=5), changed=True)
    account = read_account(Storage(tmp_path / "run"))
    assert [video.state for video in account.videos] == ["failed", "done", "done", "done"]
    one = next(video for video in account.videos if video.output == "a/one")
    assert [row[2:4] for row in one.content.chunk_rows()] == [(n, n + 5) for n in range(0, 25, 5)]
    assert one.content.stages["decode"].outcomes == {"done": 5}


def test_pages_are_made_again_only_where_something_changed(tmp_path: Path) -> None:
    restore(tmp_path, Simulation(faults={("decode", 2): "item"}))
    first = build_report(tmp_path / "run", settings=NOTHING)
    assert (first.videos, first.made) == (4, 4)
    pages = {path.name: path.read_bytes() for path in (tmp_path / "run/report/videos").iterdir()}
    assert len(pages) == 4
    assert build_report(tmp_path / "run", settings=NOTHING).made == 0
    (tmp_path / "library/two.mp4").write_text("25 two")
    restore(tmp_path, Simulation())
    again = build_report(tmp_path / "run", settings=NOTHING)
    assert again.made == 3  # the one that is whole now, the one that changed, the one that failed once more
    one = next(name for name in pages if name.startswith("a-one-"))
    assert (
        b"decoded" in pages[one]
        and b"can never be decoded"
        not in (tmp_path / "run/report/videos" / one).read_bytes().partition(b'id="provenance"')[0]
    )


def test_only_some_pages_and_another_place(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    built = build_report(tmp_path / "run", tmp_path / "pages", NOTHING, only="t*")
    assert built.made == 2 and built.index == f"{tmp_path}/pages/index.html"
    assert sorted(path.name[:4] for path in (tmp_path / "pages/videos").iterdir()) == ["twin", "two-"]
    assert b"a/one" in (tmp_path / "pages/index.html").read_bytes()


@pytest.mark.parametrize(("pattern", "made"), [("library/t*", 2), ("a/one", 1), ("*/library/a/one.mp4", 1), ("*", 4)])
def test_a_video_is_named_by_its_place_or_its_path(tmp_path: Path, pattern: str, made: int) -> None:
    restore(tmp_path, Simulation())
    assert build_report(tmp_path / "run", settings=NOTHING, only=pattern).made == made


def test_brackets_in_a_name_are_themselves(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    for name in ("tape [1].mp4", "tape 1.mp4", "tape [2].mp4"):
        (tmp_path / "library" / name).write_text(f"3 {name}")
    restore(tmp_path, Simulation())
    assert build_report(tmp_path / "run", settings=NOTHING, only="tape [1].mp4").made == 1
    assert build_report(tmp_path / "run", settings=NOTHING, only="tape [?]").made == 1  # the other one is made
    with pytest.raises(InputError, match="no video of this run is called"):
        build_report(tmp_path / "run", settings=NOTHING, only="tape [12].mp4")


def test_a_name_that_no_video_has_is_refused(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    with pytest.raises(InputError, match=r"no video of this run is called 1994\*; "):
        build_report(tmp_path / "run", settings=NOTHING, only="1994*")
    assert not (tmp_path / "run/report/index.html").exists()


def test_pages_go_into_a_bucket(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    built = build_report(tmp_path / "run", "memory://bucket/pages", NOTHING)
    assert built.index == "memory://bucket/pages/index.html"
    bucket = Storage("memory://bucket/pages")
    assert len(bucket.names("videos")) == 4 and b"a/one" in bucket.read("index.html")
    assert build_report(tmp_path / "run", "memory://bucket/pages", NOTHING).made == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [("index.html", "<!doctype html><title>My films</title>"), ("index.html", ""), ("pages.json", '{"pages": [1, 2]}')],
)
@pytest.mark.parametrize("remote", [False, True])
def test_a_page_of_somebody_else_is_not_replaced(tmp_path: Path, name: str, content: str, remote: bool) -> None:
    restore(tmp_path, Simulation())
    pages = Storage(f"memory://{tmp_path.name}/pages" if remote else tmp_path / "pages")
    pages.put(name, content.encode())
    with pytest.raises(StorageError, match=rf"/{name} was not written by 'reelift report'; give another folder"):
        build_report(tmp_path / "run", pages.url, NOTHING)
    assert pages.read(name) == content.encode() and pages.tree() == [name]


@pytest.mark.parametrize("damaged", ["", '{"a": ', "[1]", '{"a": 3}'])
def test_a_damaged_memory_of_a_report_is_made_anew(tmp_path: Path, damaged: str) -> None:
    restore(tmp_path, Simulation())
    build_report(tmp_path / "run", tmp_path / "pages", NOTHING)
    (tmp_path / "pages" / "pages.json").write_text(damaged)
    assert build_report(tmp_path / "run", tmp_path / "pages", NOTHING).made == 4
    assert build_report(tmp_path / "run", tmp_path / "pages", NOTHING).made == 0


def test_an_empty_name_for_the_pages_is_refused(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    with pytest.raises(StorageError, match="a folder has an empty name; is a variable of the shell not set"):
        build_report(tmp_path / "run", "", NOTHING)
    assert not (tmp_path / "run" / "report").exists()


def test_an_interrupted_report_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore(tmp_path, Simulation())
    monkeypatch.setattr("report.build.REMEMBERED", 1)

    def stop(done: int, total: int, video: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_report(tmp_path / "run", settings=NOTHING, progress=stop)
    assert build_report(tmp_path / "run", settings=NOTHING).made == 1


def test_what_cannot_be_shown_is_said(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())
    (tmp_path / "out/two.mkv").unlink()
    built = build_report(tmp_path / "run")
    told = dict(built.problems)
    assert "two.mkv is not in" in told["two"] and "cannot be opened as a video" in told["a/one"]
    page = next((tmp_path / "run/report/videos").glob("two-*.html")).read_text()
    assert "two.mkv is not in" in page and "SHA-256" in page


def test_no_workspace_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no workspace is there"):
        build_report(tmp_path)


def test_names_of_pages_are_plain_and_unlike(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for name in ("a b.mp4", "a_b.mp4", "ä#?.mp4", "x" * 100 + ".mp4"):
        (library / name).write_text("3 " + name)
    restore(tmp_path, Simulation())
    names = [page_name(video) for video in read_account(Storage(tmp_path / "run")).videos]
    assert len(set(names)) == len(names) == 8
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and len(name) < 80 for name in names)


def test_what_ends_a_report_is_told_even_if_its_memory_cannot_be_written(tmp_path: Path) -> None:
    restore(tmp_path, Simulation())

    def end(done: int, total: int, video: str) -> None:
        (tmp_path / "run/report/pages.json").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_report(tmp_path / "run", settings=NOTHING, progress=end)
