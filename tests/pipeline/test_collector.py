"""What holds split back, without Ray."""

from __future__ import annotations

import asyncio

from pipeline.executors.collector import Collector
from pipeline.schemas import DONE, Event


def test_split_waits_for_space_that_a_video_before_its_publication_will_give_back() -> None:
    async def go() -> list[bool]:
        collector, found = Collector(ahead=10, scratch_bytes=100), []
        for stage in ("split", "flow", "sample", "decode"):
            await collector.put([Event(stage, DONE, video="v", chunk=0, bytes=50)])
        found.append(collector._must_wait())  # its other chunks need space to come to an end
        await collector.put([Event("split", DONE, video="v", source="v.mkv")])
        found.append(collector._must_wait())
        await collector.release("v")
        return [*found, collector._must_wait()]

    assert asyncio.run(go()) == [False, True, False]
