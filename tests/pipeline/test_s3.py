"""Workspace, input and output on S3: a server of its own process, over HTTP, that is not always kind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

pytest.importorskip("moto.server", reason="moto[server] is not installed")
from boundaries import Killed, kill_at
from s3_server import KINDS, Proxy, s3_environment, s3_server

from benchmarks.s3_requests import counting
from benchmarks.simulated_stages import Simulation
from pipeline.epoch import BusyError, Epoch
from pipeline.fixity import digest
from pipeline.report import RunReport
from pipeline.source_files import check
from pipeline.sources import InputError, expand
from pipeline.status import status
from pipeline.storage import Storage, StorageError

Restore = Callable[..., RunReport]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.fixture
def s3(server: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """A proxy before the server, which s3fs finds by the environment alone; a bucket for each test."""
    proxy = Proxy(server)
    with proxy.serving() as address:
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        fsspec.filesystem("s3").mkdir(bucket(request))
        yield proxy
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def place(s3: Proxy, request: pytest.FixtureRequest) -> str:
    return f"s3://{bucket(request)}"


def bucket(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].strip("-")


def tree(storage: Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in storage.tree()}


def test_a_run_over_a_server_that_throttles_fails_and_hangs_up(
    restore: Restore, s3: Proxy, place: str, library: Path, tmp_path: Path
) -> None:
    (library / "a" / "one.mp4").unlink()
    for path in sorted(library.rglob("*.m*")):
        Storage(f"{place}/tapes").put(path.relative_to(library).as_posix(), path.read_bytes())
    restore()
    (tmp_path / "journal").unlink()
    s3.share = 0.15
    places = {"inputs": [f"{place}/tapes"], "output": f"{place}/restored", "workspace": f"{place}/work"}
    report = restore(**places)
    s3.share = 0.0
    assert report.ok, report.failures
    assert all(s3.happened[kind] for kind in KINDS), s3.happened
    assert tree(Storage(f"{place}/restored")) == tree(Storage(tmp_path / "restored"))
    assert status(f"{place}/work")["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
    again = restore(**places)
    assert again.count("reused") == 2 and again.computed() == 0


def test_what_was_flipped_cut_off_or_lost_is_found_and_made_again(restore: Restore, place: str, library: Path) -> None:
    places = {"inputs": [library / "a"], "output": f"{place}/restored", "workspace": f"{place}/work"}
    with counting() as sent:
        restore(**places)
    assert {operation for operation, about in sent if about.startswith("artifacts/")} == {"GetObject", "PutObject"}
    places_asked_for = sum(count for (operation, about), count in sent.items() if about == "outputs")
    assert places_asked_for == 2, "whether the place is claimed, and the claim"
    # Nor are the places of the files that are to be published looked for in lists.
    assert sent["HeadObject", ""] == sent["ListObjectsV2", ""] == 0, sent
    assert sent["DeleteObject", "attempts"] == 11 and sent["ListObjectsV2", "attempts"] <= 6, sent
    work, restored = Storage(f"{place}/work"), Storage(f"{place}/restored")
    before = tree(restored)
    samples = [name for name in work.tree("artifacts/sample") if name.endswith(".bin")]
    data = work.read(samples[0])
    work.put(samples[0], bytes([data[0] ^ 1]) + data[1:])
    work.put(samples[1], work.read(samples[1])[:-1])
    work.remove(samples[2])
    for name in list(before):
        restored.remove(name)
    report = restore(**places)
    assert report.ok and report.stages["sample"] == {"damaged": 3, "done": 3}
    assert tree(restored) == before


def test_killed_between_its_puts_it_goes_on_to_the_same_end(
    restore: Restore, place: str, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no rename: what is there is whole, and the put of ``artifact.json`` is the commit."""
    (library / "two.mp4").write_text("15 two")
    inputs = [library / "two.mp4"]
    with monkeypatch.context() as patch:
        total = kill_at(patch, -1)
        restore(inputs=inputs, output=f"{place}/expected", workspace=f"{place}/straight")
    expected = tree(Storage(f"{place}/expected"))
    chance = random.Random(3)
    assert total() > 40
    for target in sorted(chance.sample(range(2, total() + 1), 5)):
        places = {"inputs": inputs, "output": f"{place}/o{target}", "workspace": f"{place}/w{target}"}
        simulation = Simulation(journal=tmp_path / f"journal{target}")
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, target)
            restore(simulation, **places)
        assert restore(simulation, **places).ok
        assert tree(Storage(places["output"])) == expected, f"killed at boundary {target}"
        made = Counter((tmp_path / f"journal{target}").read_text().splitlines())
        twice = [line for line, count in made.items() if count > 1 and not line.startswith("split")]
        assert len(twice) <= 1, f"boundary {target}: {twice}"


@pytest.mark.parametrize("size", [0, 999, 1000, 1001, 3000])
def test_files_are_read_in_ranges_to_their_end(place: str, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("pipeline.storage.RANGE", 1000)
    storage, data = Storage(f"{place}/work"), bytes(number % 251 for number in range(size))
    storage.put("file", data)
    assert storage.read("file") == data == b"".join(storage.blocks("file")) and storage.is_file("file")
    storage.remove_file("file")
    storage.remove_file("file")
    assert not storage.is_file("file")
    with pytest.raises(FileNotFoundError):
        storage.read("file")


def test_a_put_that_is_cut_leaves_what_was_there(s3: Proxy, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(f"{place}/work")
    storage.put("a/one", b"old" * 1000)
    s3.share, s3.only, s3.kinds = 1.0, "PUT", ("cut in the request",)
    monkeypatch.setattr(storage.fs, "retries", 2)
    for name in ("a/one", "a/two"):
        with pytest.raises(OSError):
            storage.put(name, b"new" * 100_000)
    s3.share = 0.0
    assert storage.read("a/one") == b"old" * 1000 and storage.names("a") == ["one"]
    assert digest(storage.blocks("a/one"))[0] == 3000


def test_a_claim_whose_answer_is_lost_is_still_ones_own(s3: Proxy, place: str) -> None:
    storage = Storage(f"{place}/work")
    chances = iter([0.0, 1.0])  # the first PUT is carried out and its answer lost; the client repeats it
    s3.share, s3.only, s3.kinds = 0.5, "PUT", ("cut before the answer",)
    s3.chance.random = lambda: next(chances, 1.0)  # type: ignore[method-assign]
    assert storage.put_if_absent("claim", b"mine")
    assert s3.happened["cut before the answer"] == 1
    assert not storage.put_if_absent("claim", b"another's") and storage.read("claim") == b"mine"
    first = Epoch.claim(storage)
    with pytest.raises(BusyError):
        Epoch.claim(storage)
    second = Epoch.claim(storage, takeover=True)
    assert (first.number, second.number) == (1, 2)


def test_an_output_that_is_no_bucket_is_told_of_before_anything_is_made(
    restore: Restore, s3: Proxy, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match=r"^s3://nowhere-at-all/restored: no such bucket; check the URL$"):
        restore(output="s3://nowhere-at-all/restored")
    assert not (tmp_path / "journal").exists()


def test_an_input_that_is_not_there_is_told_of_before_anything_is_made(s3: Proxy, place: str, tmp_path: Path) -> None:
    for url in ("s3://nowhere-at-all/tapes/", f"{place}/tapse/", f"{place}/tape.mkv"):
        with pytest.raises(InputError, match=rf"^{url}: no such file or folder; check the path$"):
            expand([url], tmp_path / "out", f"{place}/run1")


def test_a_bucket_is_listed_and_its_videos_not_asked_for_one_by_one(s3: Proxy, place: str) -> None:
    made, asked = Storage(f"{place}/tapes"), []
    for count in (2, 30):
        for number in range(count):
            made.put(f"box/{number:02}.mkv", b"x" * number)
        for inputs in ("tapes", "tapes/*/*.mkv"):
            with counting() as requests:
                rows = expand([f"{place}/{inputs}"])
            asked.append(requests.total())
            assert [row.size for row in rows] == list(range(count))
    assert asked[:2] == asked[2:]
    check(rows[-1])  # what a worker sees is what the listing said


def test_a_place_that_is_prepared_stays_as_it_was(s3: Proxy, place: str) -> None:
    Storage(f"{place}/restored").prepare()
    assert tree(Storage(place)) == {}
    Storage(place).put("restored/writable", b"somebody's")
    Storage(f"{place}/restored").prepare()
    assert tree(Storage(place)) == {"restored/writable": b"somebody's"}
