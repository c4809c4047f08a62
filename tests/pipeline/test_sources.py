from __future__ import annotations

import unicodedata
import uuid
from pathlib import Path

import fsspec
import pytest
from image_folders import write_images
from whole_jobs import write_clip

from pipeline.passed_over import linked_folders
from pipeline.source_files import check, content_sha256, localise, look, size_and_version
from pipeline.sources import InputError, expand, redact
from stages.contract import ItemError
from stages.media.probe import open_video


def test_a_folder_is_mirrored(library: Path, tmp_path: Path) -> None:
    (library / "notes.txt").write_text("x")
    (library / ".hidden.mp4").write_text("x")
    assert [row.output for row in expand([library], tmp_path / "out")] == ["a/one", "three", "two"]


def test_files_globs_and_folders_add_up_once(library: Path, tmp_path: Path) -> None:
    rows = expand([library / "two.mp4", f"{library}/*.m*", library], tmp_path / "out")
    assert [row.output for row in rows] == ["a/one", "three", "two"]
    (row,) = expand([f"{library}/**/one.mp4"], tmp_path / "out")
    assert row.output == "a/one"


def test_folders_that_a_glob_matches_are_searched(library: Path, tmp_path: Path) -> None:
    assert [row.output for row in expand([f"{library}/*"], tmp_path / "out")] == ["a/one", "three", "two"]
    root = f"memory://{uuid.uuid4().hex}"
    for name in ("a/one.mkv", "a/b/two.mkv", "a/b/notes.txt"):
        with fsspec.open(f"{root}/{name}", "wb") as file:
            file.write(b"x")
    assert [row.output for row in expand([f"{root}/*"], tmp_path / "out")] == ["a/b/two", "a/one"]
    assert [row.output for row in expand([f"{root}/a/*"], tmp_path / "out")] == ["b/two", "one"]


def test_an_input_without_videos_is_named_where_others_have_some(library: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    inputs = [library, tmp_path / "empty", f"{tmp_path}/gone/*.mkv"]
    named: list[str] = []
    expand(inputs, nothing_in=named.append)
    assert named == [f"{tmp_path}/empty", f"{tmp_path}/gone/*.mkv"]
    with pytest.raises(InputError, match=f"no video was found in {tmp_path}/empty; check"):
        expand([tmp_path / "empty"], nothing_in=named.append)
    assert len(named) == 2


def test_a_glob_that_matches_what_a_run_has_made_is_refused(library: Path, tmp_path: Path) -> None:
    inputs, workspace = [f"{library}/**/*.m*"], library / "a" / "run"
    assert len(expand(inputs, tmp_path / "out", workspace)) == 3
    (workspace / "artifacts").mkdir(parents=True)
    (workspace / "artifacts" / "frames.mkv").write_text("x")
    with pytest.raises(
        InputError, match=r"frames\.mkv was made in the workspace .*/run; choose another folder for that"
    ):
        expand(inputs, tmp_path / "out", workspace)


def test_a_file_may_be_restored_into_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "tape.mov").write_text("x")
    (row,) = expand([tmp_path / "tape.mov"], tmp_path, tmp_path / "run")
    assert row.output == "tape"


def test_a_named_file_needs_no_known_suffix(tmp_path: Path) -> None:
    (tmp_path / "tape.2019").write_text("x")
    assert [row.output for row in expand([tmp_path / "tape.2019"], tmp_path / "out")] == ["tape.2019"]


def test_a_missing_file_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_text("x")
    row, _ = expand([tmp_path / "gone.mp4", tmp_path / "there.mp4"], tmp_path / "out")
    assert row.size == -1
    with pytest.raises(ItemError, match=r"gone\.mp4: no such file"):
        check(row)


def test_a_call_that_names_nothing_that_is_there_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such file or folder; check the path"):
        expand([tmp_path / "gone", tmp_path / "gone too"], tmp_path / "out")
    (tmp_path / "link.mkv").symlink_to(tmp_path / "gone")  # a broken link is there: its row says what is wrong with it
    assert expand([tmp_path / "link.mkv"], tmp_path / "out")


@pytest.mark.parametrize("name", ["tapes/", "tape.mkv"])
def test_so_is_one_that_names_nothing_in_a_bucket(tmp_path: Path, name: str) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    with pytest.raises(InputError, match=rf"{root}/{name}: no such file or folder; check the path"):
        expand([f"{root}/{name}"], tmp_path / "out")
    with fsspec.open(f"{root}/there.mkv", "wb") as file:
        file.write(b"x")
    assert len(expand([f"{root}/{name}", f"{root}/there.mkv"], tmp_path / "out")) == 2


def test_a_link_that_leads_in_a_circle_stops_nobody(library: Path, tmp_path: Path) -> None:
    (library / "loop.mp4").symlink_to("loop.mp4")
    loop, *others = sorted(expand([library], tmp_path / "out"), key=lambda row: row.output != "loop")
    assert [row.output for row in others] == ["a/one", "three", "two"]
    for row in (loop, *expand([library / "loop.mp4"], tmp_path / "out", tmp_path / "workspace")):
        with pytest.raises(ItemError, match=r"loop\.mp4: a link that leads in a circle; let it lead to the file"):
            check(row)
    assert linked_folders([library / "loop.mp4"]) == [] and expand([f"{library}/loop.mp4/*.mkv", library])


def test_two_inputs_with_one_place_are_refused(library: Path, tmp_path: Path) -> None:
    (library / "TWO.avi").write_text("x")
    with pytest.raises(InputError, match=r"would both become .*\.mkv; rename one"):
        expand([library], tmp_path / "out")
    accents = tmp_path / "accents"
    accents.mkdir()
    for form in ("NFC", "NFD"):
        (accents / f"{unicodedata.normalize(form, 'Grüße')}.mp4").write_text(form)
    with pytest.raises(InputError, match="would both become"):
        expand([accents], tmp_path / "out")


@pytest.mark.parametrize(
    "folder", ["two.bag", "two.dpx", "two.mkv", "Two.MKV", "two.framemd5", "two.provenance.json", "two.mkv/deep/er"]
)
def test_a_folder_that_has_the_name_of_a_result_is_refused(library: Path, tmp_path: Path, folder: str) -> None:
    (library / folder).mkdir(parents=True)
    (library / folder / "in.mp4").write_text("x")
    message = (
        rf"two\.mp4 would have a file two\..* in the output, and .*/{folder}/in\.mp4 would go into a folder of that"
    )
    with pytest.raises(InputError, match=message):
        expand([library], tmp_path / "out")


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no video was found"):
        expand([tmp_path], tmp_path.parent / "out")


def test_the_output_is_never_a_source(tmp_path: Path, library: Path) -> None:
    (library / "a" / "film.mkv").write_text("x")
    for inputs, output in (
        ([library], library),
        ([library], library / "x"),
        ([library / "a" / "film.mkv"], library / "a"),
        ([f"{library}/a/*.mkv"], library / "a"),
    ):
        with pytest.raises(InputError):
            expand(inputs, output)
    (tmp_path / "link").symlink_to(library)
    with pytest.raises(InputError):
        expand([library], tmp_path / "link" / "x")
    assert expand([library / "a" / "film.mkv"], library / "b")


def test_object_storage_is_searched_and_localised(tmp_path: Path) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    for name in ("lib/a/x.mp4", "lib/y.mov", "lib/z.txt"):
        with fsspec.open(f"{root}/{name}", "w") as file:
            file.write(name)
    rows = expand([f"{root}/lib"], tmp_path / "out")
    assert [row.output for row in rows] == ["a/x", "y"]
    assert [row.output for row in expand([f"{root}/lib/*.mov"], tmp_path / "out")] == ["y"]
    assert [row.output for row in expand([f"{root}/lib/y.mov"], tmp_path / "out")] == ["y"]
    with localise(rows[0], tmp_path) as local:
        assert local.read_text() == "lib/a/x.mp4" and local.name == "x.mp4"
        assert len(content_sha256(local, "x")) == 64
    assert not local.exists()
    with pytest.raises(InputError, match="inside the input"):
        expand([f"{root}/lib"], f"{root}/lib/out")


@pytest.mark.parametrize(
    ("pattern", "output", "refused"),
    [
        ("**/*.mkv", "out", True),
        ("*", "out", True),
        ("*/*.mkv", "out", False),
        ("**/*.mkv", ".out", False),
        ("**/*.mov", "out", False),
        ("a/*", "out", False),
        ("*.mkv", "out", False),
        ("*/*.mkv", "out/deep", False),
    ],
)
def test_a_glob_that_would_match_the_results_is_refused(
    tmp_path: Path, pattern: str, output: str, refused: bool
) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/one.mkv", "a/two.mov", "three.mkv"):
        (tmp_path / name).write_text("x")
    if refused:
        with pytest.raises(
            InputError, match=rf"{output}/.*\.mkv in the output would match the input .*; choose another"
        ):
            expand([tmp_path / pattern], tmp_path / output)
    else:
        rows = expand([tmp_path / pattern], tmp_path / output)
        for row in rows:
            target = tmp_path / output / f"{row.output}.mkv"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("result")
        assert expand([tmp_path / pattern], tmp_path / output) == rows


def test_what_several_inputs_name_is_taken_once_where_the_first_puts_it(tmp_path: Path) -> None:
    (tmp_path / "lib" / "a").mkdir(parents=True)
    for name in ("a/one.mkv", "two.mkv"):
        (tmp_path / "lib" / name).write_text("x")
    inputs = [tmp_path / "lib" / "a", tmp_path / "lib"]
    assert [row.output for row in expand(inputs, tmp_path / "out")] == ["one", "two"]
    assert [row.output for row in expand(inputs[::-1], tmp_path / "out")] == ["a/one", "two"]


def test_a_source_that_changes_under_the_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_text("x")
    (row,) = expand([file], tmp_path / "out")
    check(row)
    file.write_text("xx")
    with pytest.raises(ItemError, match="changed after the run began"):
        check(row)
    file.unlink()
    with pytest.raises(ItemError, match="no such file"):
        check(row)


def test_no_secret_is_shown() -> None:
    shown = redact("https://user:secret@host/path/a.mp4?X-Amz-Signature=secret#x")
    assert shown == "https://host/path/a.mp4" and redact("/a/b c.mp4") == "/a/b c.mp4"
    assert redact("zip://a.mkv::https://user:secret@host/a.zip?sig=secret") == "zip://a.mkv::https://host/a.zip"
    assert (
        redact("http://[::1]:80/x?sig=secret") == "http://[::1]:80/x"
        and redact("s3://b/odd::name") == "s3://b/odd::name"
    )


def test_a_folder_of_images_is_one_video(tmp_path: Path) -> None:
    library = tmp_path / "library"
    for place in ("reel", "deep/er", "beside a video"):
        write_images(library / place, "png", frames=2)
    write_clip(library / "beside a video" / "film.mkv", frames=1)
    rows = expand([library], tmp_path / "out")
    assert [(row.output, row.images) for row in rows] == [
        ("beside a video/film", False),
        ("deep/er", True),
        ("reel", True),
    ]
    (alone,) = expand([library / "reel"], tmp_path / "out")
    assert alone.output == "reel" and alone.size == sum(f.stat().st_size for f in (library / "reel").iterdir())
    before = content_sha256(library / "reel", "reel")
    check(alone)
    first = sorted((library / "reel").iterdir())[0]
    (library / "reel" / "reel_86402.png").write_bytes(first.read_bytes())
    assert content_sha256(library / "reel", "reel") != before
    with pytest.raises(ItemError, match="changed after the run began"):
        check(alone)


def test_a_remote_folder_of_images_is_fetched_whole(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    local = write_images(tmp_path / "reel", "png", frames=3)
    for path in local.iterdir():
        fs.pipe_file(f"/tapes/reel/{path.name}", path.read_bytes())
    (row,) = expand(["memory://tapes"], tmp_path / "out")
    assert row.output == "reel" and row.images
    (alone,) = expand(["memory://tapes/reel"], tmp_path / "out")
    assert alone.images
    (tmp_path / "scratch").mkdir()
    with localise(row, tmp_path / "scratch") as lent:
        assert content_sha256(lent, "reel") == content_sha256(local, "reel")
    assert not lent.exists()


def test_a_remote_folder_of_two_sequences_is_fetched_whole_so_that_it_is_refused(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    root = uuid.uuid4().hex
    for name in ("A1.dpx", "A2.dpx", "A3.dpx", "B1.dpx", "B2.dpx", "._A1.dpx"):
        fs.pipe_file(f"/{root}/reel/{name}", b"image")
    (row,) = expand([f"memory://{root}"], tmp_path / "out")
    (tmp_path / "scratch").mkdir()
    with localise(row, tmp_path / "scratch") as lent, pytest.raises(ItemError, match=r"2 of 5 numbered images"):
        open_video(lent)


def test_two_images_that_change_places_are_another_version(tmp_path: Path) -> None:
    write_images(tmp_path / "film", "png", 3)
    before = look(str(tmp_path / "film"))
    first, last = sorted((tmp_path / "film").glob("reel_*"))[::2]
    first.rename(tmp_path / "film" / "x")
    last.rename(first)
    (tmp_path / "film" / "x").rename(last)
    assert look(str(tmp_path / "film"))[0] == before[0] and look(str(tmp_path / "film")) != before


@pytest.mark.parametrize("name", ["ETag", "LastModified", "Last-Modified", "modify", "modificationTime"])
def test_what_changes_when_a_file_does_has_a_name_on_every_server(name: str) -> None:
    assert size_and_version({"size": 3, name: "one"}) == (3, "one") != size_and_version({"size": 3, name: "two"})
    assert size_and_version({"type": "file"}) == (0, "")
