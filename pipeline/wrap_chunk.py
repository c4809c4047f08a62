"""The wrapper around flow, sample and decode: one chunk in, one artifact out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.events import Item
from pipeline.fingerprint import INPUTS
from pipeline.rows import ChunkRow
from pipeline.wrapper import Worker
from stages.items import ChunkTask


class ChunkWorker(Worker):
    """Wraps flow, sample or decode."""

    def run(self, row: ChunkRow) -> ChunkRow:
        """Take one chunk through the stage; a chunk that failed before passes untouched.

        Raises:
            SetupError, StorageError: see ``Worker.settle``.
        """
        if row.failed:
            return row
        name = self.stage.name
        prints = self.job.recipe.chunk(row.content, row.chunk)
        plan = self.job.recipe.plan(row.content)[name]
        item = Item(prints[name], plan, row.chunk.video, row.chunk.index)

        def make(folder: Path) -> Artifact:
            with ExitStack() as stack:
                inputs = {}
                for source in INPUTS[name]:
                    inputs[source] = self.artifacts.fetch(source, prints[source])
                    stack.callback(self.artifacts.release, inputs[source])
                result = self.stage.run(ChunkTask(row.chunk, inputs, folder))
            return self.artifacts.commit(name, prints[name], folder, result.facts)

        artifact = self.settle(item, lambda: self.artifacts.lookup(name, prints[name]), make)
        return row if artifact is not None else replace(row, failed=name)
