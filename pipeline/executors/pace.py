"""What the pools are sized by: the work that is on its way to them, and what their stages take, once that is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pipeline.executors.machines import placed
from pipeline.executors.pool import Pool
from pipeline.fingerprint import CHUNK_STAGES

MEASURED = 3
"""Chunks of every stage that are timed before the pools are sized by it."""


def fit_to_pace(pools: Mapping[str, Pool]) -> None:
    """Set the pools' most workers: the slowest chunk stage as fast as can be, split and assemble as fast as it is.

    Pools of whose size the configuration says something stay as they are.

    Args:
        pools: of all stages, by name.
    """
    chunk_pools = [pools[stage] for stage in CHUNK_STAGES]
    if any(pool.done < MEASURED for pool in chunk_pools):
        return
    seconds = {pool.stage: pool.seconds / pool.done for pool in chunk_pools}
    shared = [pool for pool in chunk_pools if pool.share.seats]
    if shared:
        wanted = placed({pool.stage: seconds[pool.stage] for pool in shared}, shared[0].share.seats)
        for pool in shared:
            pool.most = max(pool.share.least, wanted[pool.stage])
    chunks_per_second = min(pool.most / max(seconds[pool.stage], 1e-9) for pool in chunk_pools)
    split, assemble, decode = pools["split"], pools["assemble"], pools["decode"]
    for pool, chunks in ((split, split.done), (assemble, decode.done)):
        if pool.share.spare and chunks >= MEASURED:
            enough = math.ceil(chunks_per_second * pool.seconds / chunks)
            pool.most = min(pool.share.least + pool.share.spare, max(pool.share.least, enough))


def coming_to(pools: Mapping[str, Pool], videos: int) -> Iterator[tuple[Pool, int]]:
    """Each pool with the rows that the stages before it have yet to send: about so many chunks, or videos to assemble.

    Args:
        pools: of all stages, by name, in their order.
        videos: that are not settled yet.
    """
    coming, enough = 0, max(pool.most for pool in pools.values())
    for stage, pool in pools.items():
        yield pool, videos if stage == "assemble" else coming
        for task in pool.tasks():
            if coming >= enough:  # there may be a hundred thousand sources
                break
            coming += task.chunks
