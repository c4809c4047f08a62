from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import epoch as epochs
from pipeline import local_files
from pipeline.epoch import BusyError, Epoch, FencedError
from pipeline.manifest import ManifestWriter, read
from pipeline.parts import EPOCHS
from pipeline.report import RunReport
from pipeline.schemas import DONE, EVENTS, FAILED, TABLES, Event, VideoRecord
from pipeline.status import fold, status
from pipeline.storage import Storage, StorageError


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage(tmp_path / "w" if request.param == "local" else f"memory://{uuid.uuid4().hex}/w")


def messages(storage: Storage) -> list[str]:
    return [message for table in read(storage, "events") for message in table["message"].to_pylist()]


def event(message: str) -> Event:
    return Event("flow", DONE, message=message)


def test_rows_come_back_in_order_and_typed(storage: Storage) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage), flush_rows=2)
    for number in range(5):
        writer.append([event(str(number))])
    assert messages(storage) == ["0", "1", "2", "3"]
    writer.close()
    assert messages(storage) == ["0", "1", "2", "3", "4"]
    (*_, last) = read(storage, "events")
    assert last.schema.equals(EVENTS)
    assert next(read(storage, "events", ["stage"])).column_names == ["stage"]


def test_waiting_rows_are_written_in_the_background(storage: Storage) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage), flush_seconds=0.05)
    writer.start()
    writer.append([event("x")])
    for _ in range(100):
        if messages(storage):
            break
        time.sleep(0.02)
    assert messages(storage) == ["x"]
    writer.close()


def test_a_second_driver_is_refused_while_the_first_lives(storage: Storage) -> None:
    first = Epoch.claim(storage)
    with pytest.raises(BusyError, match="another run is at work"):
        Epoch.claim(storage)
    first.close()
    assert Epoch.claim(storage).number == 2


def test_a_driver_of_another_host_is_believed_dead_after_a_while(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs.socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(epochs, "machine_identity", lambda: "another")
    Epoch.claim(storage)
    monkeypatch.undo()
    with pytest.raises(BusyError, match="host elsewhere"):
        Epoch.claim(storage)
    monkeypatch.setattr(epochs, "DEAD_SECONDS", 0.0)
    assert Epoch.claim(storage).number == 2


def test_a_sign_of_life_that_is_in_the_future_is_told_of(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "machine_identity", lambda: "another")
    with monkeypatch.context() as patch:
        patch.setattr(epochs.time, "time", lambda now=time.time: now() + 7200)
        Epoch.claim(storage).beat()
    monkeypatch.undo()
    with pytest.raises(
        BusyError, match=r"whose last sign of life is 7[12]\d\d s in the future: set the clocks right; wait"
    ):
        Epoch.claim(storage)
    assert Epoch.claim(storage, takeover=True).number == 2


@pytest.mark.parametrize("differs", ["boot", "process numbers"])
@pytest.mark.parametrize("same_number", [True, False])
def test_a_host_of_the_same_name_is_another_one(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, differs: str, same_number: bool
) -> None:
    """Two machines, or two containers on one of them, whose name and even process number may be the same."""
    boot, _, numbers = epochs.machine_identity().partition("/")
    elsewhere = f"another/{numbers}" if differs == "boot" else f"{boot}/another"
    number = os.getpid() if same_number else 4_000_000
    claim = {"token": "x", "host": socket.gethostname(), "pid": number, "process": f"{elsewhere}:{number}:1"}
    storage.put_if_absent("manifest/epochs/000001.json", json.dumps({**claim, "claimed": time.time()}).encode())
    with pytest.raises(BusyError, match=f"host {socket.gethostname()}, process {number}"):
        Epoch.claim(storage)
    monkeypatch.setattr(epochs, "DEAD_SECONDS", 0.0)
    assert Epoch.claim(storage).number == 2


def test_a_process_that_is_gone_is_dead_at_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "from pipeline import epoch; print(epoch.process_identity())"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    monkeypatch.setattr(epochs, "process_identity", lambda: gone)
    monkeypatch.setattr(epochs.os, "getpid", lambda: int(gone.split(":")[1]))
    Epoch.claim(storage)
    monkeypatch.undo()
    assert Epoch.claim(storage).number == 2


def test_where_the_system_tells_no_boot_the_name_of_the_host_stands_for_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "PROC", Path("/nowhere"))
    assert epochs.process_identity() == f"{socket.gethostname()}:{os.getpid()}"
    first = Epoch.claim(storage)
    with pytest.raises(BusyError):
        Epoch.claim(storage)
    first.abandon()
    assert Epoch.claim(storage).number == 2


def test_one_who_was_replaced_stops_itself(storage: Storage) -> None:
    first = ManifestWriter(storage, Epoch.claim(storage))
    first.append([event("before")])
    first.flush()
    second = ManifestWriter(storage, Epoch.claim(storage, takeover=True))
    first.append([event("after")])
    with pytest.raises(FencedError, match="epoch 2"):
        first.flush()
    with pytest.raises(FencedError):
        first.append([event("again")])
    second.append([event("new")])
    second.close()
    assert messages(storage) == ["before", "new"]


def test_rows_written_after_the_seal_are_not_believed(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ManifestWriter(storage, Epoch.claim(storage))
    first.append([event("sealed in")])
    first.flush()
    first.append([event("too late")])
    # The worst moment: the first writer has just looked for a newer claim and found none.
    monkeypatch.setattr(first.epoch, "check", lambda: None)
    second = ManifestWriter(storage, Epoch.claim(storage, takeover=True))
    first.flush()
    second.append([event("new")])
    second.close()
    assert len(storage.names("manifest/events")) == 3
    assert messages(storage) == ["sealed in", "new"]
    third = Epoch.claim(storage, takeover=True)
    assert third.number == 3 and messages(storage) == ["sealed in", "new"]


def test_a_claim_without_a_seal_constrains_nothing(storage: Storage) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage))
    writer.append([event("kept")])
    writer.close()
    storage.put_if_absent("manifest/epochs/000002.json", b"{}")
    assert messages(storage) == ["kept"]


@pytest.mark.parametrize(
    "content", [b"", b'{"events": {"1"', b"[]", b'{"events": []}', b'{"events": {"1": "one"}}', b"\xff\x00"]
)
def test_a_damaged_seal_is_named_and_can_be_done_without(storage: Storage, content: bytes) -> None:
    """It hid all that older drivers had written, without a word."""
    for name in ("one", "two", "three"):
        writer = ManifestWriter(storage, Epoch.claim(storage))
        writer.append([event(name)])
        writer.close()
        writer.epoch.close()
    seal = f"{EPOCHS}/000002.seal.json"
    storage.put(seal, content)
    with pytest.raises(StorageError, match=rf"/{seal}: damaged \(.+\); remove it"):
        messages(storage)
    storage.remove_file(seal)
    assert messages(storage) == ["one", "two", "three"]


def test_what_is_no_seal_is_passed_over(storage: Storage) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage))
    writer.append([event("kept")])
    writer.close()
    storage.put(f"{EPOCHS}/copy of 000002.seal.json", b"{}")
    assert messages(storage) == ["kept"]


def test_a_failed_write_is_repeated_under_the_same_name(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage))
    writer.append([event("a")])
    with monkeypatch.context() as patch:
        patch.setattr(storage, "put", lambda *_: (_ for _ in ()).throw(ConnectionError("hiccup")))
        with pytest.raises(ConnectionError):
            writer.flush()
    writer.append([event("b")])
    writer.close()
    assert messages(storage) == ["a", "b"] and len(storage.names("manifest/events")) == 1


@pytest.mark.parametrize("harm", [lambda data: data[:-9], lambda data: b"", lambda data: data[:40] + data[41:]])
def test_a_damaged_part_is_named_and_can_be_done_without(
    restore: Callable[..., RunReport], tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    restore()
    before = status(tmp_path / "workspace")["videos"]
    parts = [next((tmp_path / "workspace" / "manifest" / table).glob("*.parquet")) for table in TABLES]
    for part in parts:
        part.write_bytes(harm(part.read_bytes()))
    words = r": damaged \(.*\); remove it and run the same line again"
    for part, read_it in zip(
        parts, (restore, lambda: outlook_of(tmp_path), lambda: status(tmp_path / "workspace")), strict=True
    ):
        with pytest.raises(StorageError, match=re.escape(str(part)) + words) as caught:
            read_it()
        assert "\n" not in str(caught.value)
        part.unlink()
    again = restore()
    assert again.ok and again.count("reused") == 3 and again.computed() == 0
    assert status(tmp_path / "workspace")["videos"] == before


def outlook_of(place: Path) -> None:
    """Read the chunks."""
    for _ in read(Storage(place / "workspace"), "chunks", ["plan"]):
        pass


def test_status_is_the_last_word_on_every_item(storage: Storage) -> None:
    writer = ManifestWriter(storage, Epoch.claim(storage))
    writer.append([VideoRecord("a.mp4", "a", "v"), VideoRecord("b.mp4", "b", "w")])
    for chunk in range(3):
        writer.append([Event("split", DONE, "v", chunk, plan="p"), Event("flow", DONE, "v", chunk, plan="q")])
    writer.append([Event("sample", FAILED, "v", 1, plan="r", message="bad"), Event("sample", DONE, "v", 0, plan="r")])
    writer.append([Event("sample", DONE, "v", 0, plan="r")])
    writer.close()
    found = status(storage)
    assert found["videos"] == {"total": 2, "done": 0, "failed": 1, "left": 1}
    assert {key: found["stages"]["sample"][key] for key in ("done", "failed", "left")} == {
        "done": 1,
        "failed": 1,
        "left": 1,
    }
    assert found["stages"]["decode"]["left"] == 2
    assert [failure["message"] for failure in found["failures"]] == ["bad"]
    again = ManifestWriter(storage, Epoch.claim(storage, takeover=True))
    again.append([Event("sample", DONE, "v", 1, plan="r"), Event("flow", DONE, "v", 0, plan="other settings")])
    again.close()
    folded = fold(storage)
    tally, newest = folded.tally, folded.epoch
    assert newest == 2 and not tally.failures
    assert (tally.done("split"), tally.done("flow"), tally.done("sample")) == (3, 1, 0)


def test_reading_starts_no_thread(tmp_path: Path) -> None:
    """pyarrow 26's threads abort the process at its end now and then: one ``status`` in five died with SIGABRT."""
    storage = Storage(tmp_path)
    writer = ManifestWriter(storage, Epoch.claim(storage))
    writer.append([event("x")])
    writer.close()
    script = (
        "import os, sys; from pipeline import manifest; from pipeline.storage import Storage\n"
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "storage = Storage(sys.argv[1]); before = count()\n"
        "rows = sum(len(table) for table in manifest.read(storage, 'events'))\n"
        "assert rows == 1 and count() == before, (rows, before, count())"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=Path(__file__).parents[2])


def test_what_a_kill_in_the_middle_of_a_claim_left_is_swept_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / EPOCHS
    folder.mkdir(parents=True)
    drafts = [folder / f"000001.json.{uuid.uuid4().hex}.partial" for _ in range(2)]
    drafts[0].write_text("{}")
    first = Epoch.claim(Storage(tmp_path))
    drafts[1].write_text("{}")  # its name was taken, and then it was killed
    first.abandon()
    assert Epoch.claim(Storage(tmp_path), takeover=True).number == 2
    assert not list(folder.glob("*.partial"))


def test_a_claim_whose_draft_was_swept_has_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "000001.json"

    def beaten(draft: Path, name: Path) -> None:
        target.write_text("another's")
        local_files.sweep_beside(target)
        link(draft, name)

    link = os.link
    monkeypatch.setattr(local_files.os, "link", beaten)
    assert not local_files.create(target, b"ours", durable=False)
    assert target.read_text() == "another's"
