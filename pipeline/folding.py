"""Many events at once: what a row-by-row fold would make of a table, many times as fast.

Nearly all rows of a manifest say that a chunk is done. Those are counted by column. All others go through ``Tally.add``
one by one, and so do all rows of a table in which order matters: a chunk failed and was done, a stage has two plans, a
stage begins anew after a later one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.fingerprint import STAGES
from pipeline.schemas import DONE, FAILED, GAVE_UP, REUSED
from pipeline.tally import Tally

KEYS, FACTS = ["video", "stage", "plan"], ["outcome", "chunk", "seconds"]


def take_plain(tally: Tally, table: pa.Table) -> pa.Table:
    """Count the plain rows of a part of ``events``, and return the others, to be added one by one.

    Args:
        tally: gets what was done.
        table: with the columns stage, outcome, video, chunk, plan and seconds.
    """
    chunks = pc.greater_equal(table["chunk"], 0)
    plain = pc.and_(chunks, pc.is_in(table["outcome"], pa.array([DONE, REUSED])))
    plain = pc.and_(plain, pc.is_in(table["stage"], pa.array(STAGES)))
    done, others = table.select([*KEYS, *FACTS]).filter(plain), table.filter(pc.invert(plain))
    bad = pc.any(pc.is_in(others["outcome"], pa.array([FAILED, GAVE_UP]))).as_py()
    if not done.num_rows or tally.failures or bad:
        return table
    done = done.append_column("row", pa.array(np.arange(done.num_rows)))
    groups = done.group_by(KEYS, use_threads=False).aggregate([("chunk", "list"), ("row", "min")]).sort_by("row_min")
    keys = list(zip(*(groups[key].to_pylist() for key in KEYS), strict=True))
    if not _is_simple(tally, keys):
        return table
    counts = done.group_by(["stage", "outcome"], use_threads=False).aggregate([("seconds", "sum"), ("chunk", "count")])
    for row in counts.to_pylist():
        tally.outcomes[row["stage"]][row["outcome"]] += row["chunk_count"]
        tally.seconds[row["stage"]] += row["seconds_sum"]
    lists = groups["chunk_list"].combine_chunks()
    offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy()
    for number, (video, stage, plan) in enumerate(keys):
        tally.add_done(stage, video, plan, _bits(values[offsets[number] : offsets[number + 1]]))
    return others


def _is_simple(tally: Tally, keys: list[tuple[str, str, str]]) -> bool:
    """Whether these groups (video, stage, plan), by their first rows, can be taken one after the other."""
    latest: dict[str, int] = {}
    anew: dict[str, int] = {}  # the first stage of a video that begins anew: those after it are forgotten with it
    seen: set[tuple[str, str]] = set()
    for video, stage, plan in keys:
        number = STAGES.index(stage)
        if (video, stage) in seen:
            return False
        if number > anew.get(video, number) or tally.begins_anew(stage, video, plan):
            if latest.get(video, -1) > number:
                return False
            anew[video] = min(anew.get(video, number), number)
        seen.add((video, stage))
        latest[video] = max(latest.get(video, -1), number)
    return True


def _bits(chunks: np.ndarray) -> int:
    """The numbers of chunks as one bit each."""
    flags = np.zeros(int(chunks.max()) + 1, np.uint8)
    flags[chunks] = 1
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")
