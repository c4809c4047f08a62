from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import compaction, manifest
from pipeline.compaction import compact
from pipeline.epoch import Epoch
from pipeline.manifest import ManifestWriter
from pipeline.parts import Part, believed
from pipeline.schemas import DONE, Event
from pipeline.storage import Storage, StorageError


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "BLOCK", 4)
    monkeypatch.setattr(manifest, "BLOCK", 4)


def written(storage: Storage, parts: int, takeover: bool = False) -> ManifestWriter:
    """A manifest with so many more parts of two rows, by a new driver."""
    writer = ManifestWriter(storage, Epoch.claim(storage, takeover), flush_rows=1)
    for number in range(parts):
        writer.append([Event("flow", DONE, chunk=2 * number + each) for each in range(2)])
    return writer


def rows(storage: Storage) -> list[str]:
    return [each for table in manifest.read(storage, "events", ("id",)) for each in table["id"].to_pylist()]


def test_full_blocks_become_one_part_with_the_same_rows(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    written(storage, 10)
    before = rows(storage)
    assert compact(storage, "events") == 2 and compact(storage, "events") == 0
    assert storage.names("manifest/events") == [
        "000001-000001-000004.parquet",
        "000001-000005-000008.parquet",
        "000001-000009.parquet",
        "000001-000010.parquet",
    ]
    assert rows(storage) == before and len(before) == 20


def test_a_part_that_somebody_took_away_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(tmp_path)
    written(storage, 3)
    second = tmp_path / "manifest" / "events" / "000001-000002.parquet"
    listed = believed(storage, "events")
    second.unlink()
    monkeypatch.setattr(manifest, "believed", lambda *_: listed)
    with pytest.raises(StorageError, match=f"^{second}: gone .*; run the same line again$"):
        rows(storage)


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_killed_at_every_step_no_row_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for target in range(1, 40):
        storage = Storage(tmp_path / str(target))
        written(storage, 6).epoch.abandon()
        before, count = rows(storage), 0

        def boundary(self: Storage, operation: str, name: str, target: int = target) -> None:
            nonlocal count
            count += 1
            if count == target:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Storage, "boundary", boundary)
            try:
                compact(storage, "events")
            except Killed:
                pass
            else:
                assert target > 6, "a put and four removals have more steps"
                return
        assert rows(storage) == before, f"step {target}"
        written(storage, 1, takeover=True)  # a later driver seals what it finds, and finishes the work
        compact(storage, "events")
        assert rows(storage)[: len(before)] == before and len(rows(storage)) == len(before) + 2
        assert [part.last for part in believed(storage, "events")] == [4, 5, 6, 1]
    pytest.fail("compaction never came to its end")


def test_what_a_fenced_driver_wrote_too_late_is_in_no_block(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    first = written(storage, 3)
    before = rows(storage)
    Epoch.claim(storage, takeover=True)
    late = tmp_path / "manifest" / "events" / "000001-000004.parquet"
    pq.write_table(next(manifest.read(storage, "events")), late)
    assert compact(storage, "events") == 0 and rows(storage) == before
    assert first.epoch.number == 1


def test_a_reader_that_listed_the_parts_before_finds_their_rows_in_the_block(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    written(storage, 5)
    before = rows(storage)
    reading = manifest.read(storage, "events", ("id",))
    seen = next(reading)["id"].to_pylist()
    compact(storage, "events")
    assert seen + [each for table in reading for each in table["id"].to_pylist()] == before


def test_a_long_run_compacts_by_itself(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    writer = written(storage, 9)
    writer._compact()
    assert len(storage.names("manifest/events")) == 3
    assert Part.of("events", "000001-000005-000008.parquet") == believed(storage, "events")[1]
    assert Part.of("events", "notes.txt") is None
