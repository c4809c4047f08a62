"""The manifest: append-only Parquet parts ``manifest/<table>/<epoch>-<seq>.parquet``, written by one driver.

Rows are gathered and written in parts: after ``flush_rows`` rows, or when the oldest has waited long enough, and at the
end. The wait grows from ``flush_seconds`` with the length of the run, up to a minute, so that a run of weeks leaves
thousands of parts and not hundreds of thousands. A crash loses the rows that wait; what they told of is committed
and found by fingerprint, so history has a gap, never the work.

``videos`` and ``chunks`` are written before ``events``, so an event never tells of something without a row.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.compaction import BLOCK, compact
from pipeline.epoch import BEAT_SECONDS, Epoch, FencedError
from pipeline.faults import line
from pipeline.parts import Part, believed
from pipeline.schemas import TABLES, Record, to_table
from pipeline.storage import Storage, StorageError

LONGEST_WAIT = 60.0


def read(storage: Storage, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the believed parts of a table in the order they were written; one part is in memory at a time.

    Raises:
        StorageError: if a part is damaged or on a bad sector, or was removed by somebody else than a compaction.
    """
    for part in believed(storage, table):
        try:
            content = _content(storage, table, part)
            # Without threads: those of pyarrow 26 abort the process at its end now and then.
            file = pq.ParquetFile(io.BytesIO(content), pre_buffer=False)
            rows = file.read(columns=list(columns) if columns else None, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise _unread(storage, part, error) from error
        yield rows


def _unread(storage: Storage, part: Part, error: Exception) -> Exception:
    """What to raise of a part that cannot be read: what it was, if it is the storage, and no part of its own."""
    why = line(error)
    if isinstance(error, OSError) and error.errno:
        why = storage.bad_sector(error)
    told = f"damaged ({why}); remove it and run the same line again: what it told of is found by its artifacts"
    return StorageError(f"{storage.url}/{part.name}: {told}") if why else error


def _content(storage: Storage, table: str, part: Part) -> bytes:
    """Return a part's bytes; those of its block, if it was compacted since it was listed.

    The other parts of the block are gone by then, too, or are going: each of them reads its own rows of it.
    """
    try:
        return storage.read(part.name)
    except FileNotFoundError:
        names = storage.names(f"manifest/{table}")
        blocks = [block for name in names if (block := Part.of(table, name)) and block.epoch == part.epoch]
        block = next((block for block in blocks if block.first <= part.first <= block.last), None)
        if block is None:
            raise StorageError(
                f"{storage.url}/{part.name}: gone while the manifest was read; run the same line again"
            ) from None
        file = pq.ParquetFile(io.BytesIO(storage.read(block.name)), pre_buffer=False)
        sink = io.BytesIO()
        pq.write_table(file.read_row_group(part.first - block.first, use_threads=False), sink)
        return sink.getvalue()


class ManifestWriter:
    """Appends rows under one epoch. Safe to call from several threads.

    Args:
        storage: the workspace.
        epoch: the claimed epoch.
        flush_rows: rows that make a part.
        flush_seconds: how long rows wait at most in a young run.

    Raises:
        FencedError: from ``append`` and ``flush``, once a newer epoch was claimed; nothing is written any more.
        StorageError: if the disk is full or permission is denied.
    """

    def __init__(self, storage: Storage, epoch: Epoch, flush_rows: int = 1000, flush_seconds: float = 3.0) -> None:
        self.storage, self.epoch = storage, epoch
        self.flush_rows, self.flush_seconds = flush_rows, flush_seconds
        self._rows: dict[str, list[Record]] = {table: [] for table in TABLES}
        self._sequence = dict.fromkeys(TABLES, 0)
        self._compacted = dict.fromkeys(TABLES, 0)
        self._lock = threading.RLock()
        self._opened = self._flushed = time.monotonic()
        self._fault: Exception | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat and flush in the background, so that an idle driver still shows life and writes what waits."""
        self._thread = threading.Thread(target=self._keep, name="manifest", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[Record]) -> None:
        """Add rows; they are written now or soon."""
        with self._lock:
            if self._fault:
                raise self._fault
            for record in records:
                self._rows[record.table].append(record)
            if sum(map(len, self._rows.values())) >= self.flush_rows or self._due():
                self.flush()

    def flush(self) -> None:
        """Write all rows that wait."""
        with self._lock:
            if self._fault:
                raise self._fault
            self._flushed = time.monotonic()
            if not any(self._rows.values()):
                return
            try:
                self.epoch.check()
                for table in TABLES:
                    self._write(table)
            except (FencedError, StorageError) as error:
                self._fault = error
                raise

    def close(self) -> None:
        """Write what waits and stop the background thread."""
        self.stop()
        self.flush()

    def stop(self) -> None:
        """Stop the background thread and write nothing."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _write(self, table: str) -> None:
        rows = self._rows[table]
        if not rows:
            return
        sink = io.BytesIO()
        pq.write_table(to_table(table, self.epoch.number, rows), sink, compression="zstd")
        sequence = self._sequence[table] + 1
        self.storage.put(f"manifest/{table}/{self.epoch.number:06d}-{sequence:06d}.parquet", sink.getvalue())
        self._sequence[table], self._rows[table] = sequence, []

    def _compact(self) -> None:
        """Join parts into blocks, outside the lock: rows go on being taken."""
        for table in TABLES:
            if self._sequence[table] - self._compacted[table] >= BLOCK:
                self._compacted[table] = self._sequence[table] // BLOCK * BLOCK
                self.epoch.check()
                compact(self.storage, table)

    def _due(self) -> bool:
        now = time.monotonic()
        wait = min(LONGEST_WAIT, max(self.flush_seconds, (now - self._opened) / 100))
        return now - self._flushed >= wait

    def _keep(self) -> None:
        beaten = time.monotonic()
        while not self._stop.wait(min(1.0, self.flush_seconds)):
            try:
                if time.monotonic() - beaten >= BEAT_SECONDS:
                    self.epoch.beat()
                    self.epoch.check()
                    beaten = time.monotonic()
                with self._lock:
                    if self._due():
                        self.flush()
                self._compact()
            except (FencedError, StorageError) as error:
                self._fault = error
                return
            except Exception:
                # A hiccup of the network: the rows still wait, and the next round tries again.
                continue
