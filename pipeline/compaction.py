"""Compaction: a full block of small parts of the manifest becomes one part that covers them.

A run of a week writes a part a minute and table, a library of a million chunks thousands of them, and whoever folds the
manifest opens every one. ``<epoch>-<first>-<last>.parquet`` holds the rows of the parts ``first`` to ``last``, which
always are one aligned block of ``BLOCK`` parts. It is put first, the small ones are removed after it. Windows:

1. before the put: nothing has changed.
2. between the put and the last removal: both are there; readers leave out a part that a block covers (``parts.parts``).
3. a driver that was fenced may still be at it: a block has one content, whoever writes it, so the put changes nothing.

Only parts that are believed are taken, and only of blocks that are full, so none is written to any more.
"""

from __future__ import annotations

import io
from collections import defaultdict

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.parts import Part, believed
from pipeline.storage import Storage

BLOCK = 256


def compact(storage: Storage, table: str) -> int:
    """Join all full blocks of a table's small parts; return how many blocks were written."""
    written = 0
    blocks: dict[tuple[int, int], list[Part]] = defaultdict(list)
    for part in believed(storage, table):
        if part.first == part.last:
            blocks[part.epoch, (part.first - 1) // BLOCK].append(part)
    for (epoch, number), found in sorted(blocks.items()):
        if len(found) == BLOCK:
            first = number * BLOCK + 1
            _join(storage, f"manifest/{table}/{epoch:06d}-{first:06d}-{first + BLOCK - 1:06d}.parquet", found)
            written += 1
    _sweep(storage, table)
    return written


def _join(storage: Storage, name: str, found: list[Part]) -> None:
    """Write the rows of some parts as one; a part's rows are in memory once as read and once as written."""
    sink, writer = io.BytesIO(), None
    for part in found:
        rows: pa.Table = pq.ParquetFile(io.BytesIO(storage.read(part.name)), pre_buffer=False).read(use_threads=False)
        writer = writer or pq.ParquetWriter(sink, rows.schema, compression="zstd")
        writer.write_table(rows)
    assert writer is not None, "a block is never empty"
    writer.close()
    storage.put(name, sink.getvalue())


def _sweep(storage: Storage, table: str) -> None:
    """Remove the small parts that a block covers; also those that an interrupted compaction left."""
    names = storage.names(f"manifest/{table}")
    parts = [part for name in names if (part := Part.of(table, name))]
    blocks = {(part.epoch, (part.first - 1) // BLOCK) for part in parts if part.first < part.last}
    for part in parts:
        if part.first == part.last and (part.epoch, (part.first - 1) // BLOCK) in blocks:
            storage.remove_file(part.name)
