"""Stages without arithmetic, for measuring and testing the pipeline around them.

They obey the contract to the letter: bytes are a function of inputs and parameters. A "video" is any file; its first
word is the number of its frames. Each can sleep, and can be told to fail at a chosen chunk.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.executors.base import StageFactory
from pipeline.fingerprint import CHUNK_STAGES
from stages.contract import ItemError, Result, Stage
from stages.items import AssembleTask, Chunk, ChunkTask, SplitChunk, SplitTask


@dataclass(frozen=True)
class Simulation:
    """What the simulated stages do.

    Attributes:
        seconds: stage -> sleep per chunk (assemble: per video).
        setup_seconds: stage -> sleep when it is set up.
        chunk_frames: frames per chunk.
        settings: stage -> a number that enters the fingerprint.
        faults: (stage, chunk index) -> "item" (ItemError), "raise", "die" (ends the process); with index -1, "setup"
            (cannot be set up) and "setup dies" (ends the process then); and, the first time only, by ``journal``:
            "once" (raises), "device" (an error of CUDA), "hang", "kill" (ends the process).
        journal: a file that gets a line for every run of a stage; None for none.
        bytes: size of each chunk's artifact.
        files: stage -> files of each chunk's artifact; one where nothing is said.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    setup_seconds: Mapping[str, float] = field(default_factory=dict)
    chunk_frames: int = 10
    settings: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[tuple[str, int], str] = field(default_factory=dict)
    journal: Path | None = None
    bytes: int = 64
    files: Mapping[str, int] = field(default_factory=dict)

    def factories(self) -> dict[str, StageFactory]:
        """Return name -> factory of all five stages."""
        return {
            "split": partial(SimulatedSplit, self),
            **{name: partial(SimulatedChunkStage, self, name) for name in CHUNK_STAGES},
            "assemble": partial(SimulatedAssemble, self),
        }

    def act(self, stage: str, chunk: int, video: str) -> None:
        """Sleep, write the journal, fail where asked."""
        fault = self.faults.get((stage, chunk), "")
        mark = f"{stage} {chunk} {video}\n"
        known = self.journal.read_text() if self.journal and self.journal.exists() else ""
        first = fault in ("once", "device", "hang", "kill") and mark not in known
        if self.journal:
            with self.journal.open("a") as journal:
                journal.write(mark)
        time.sleep(self.seconds.get(stage, 0.0))
        if fault == "die" or (fault == "kill" and first):
            os._exit(1)
        if fault == "device" and first:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        while fault == "hang" and first:
            time.sleep(1.0)
        if fault == "item":
            raise ItemError(f"chunk {chunk} of {video} can never be {stage}d")
        if fault == "raise" or first:
            raise RuntimeError(f"{stage} of chunk {chunk} went wrong")

    def write_more(self, stage: str, folder: Path) -> None:
        """Write the artifact's files but the first."""
        for number in range(1, self.files.get(stage, 1)):
            (folder / f"{number}.bin").write_bytes(_content(self.bytes, stage, number))

    def setup(self, stage: str) -> None:
        """Sleep, fail where asked."""
        time.sleep(self.setup_seconds.get(stage, 0.0))
        if self.faults.get((stage, -1)) == "setup":
            raise FileNotFoundError("no weights in models/; convert a checkpoint first")
        if self.faults.get((stage, -1)) == "setup dies":
            os._exit(137)


def _content(size: int, *parts: object) -> bytes:
    seed = hashlib.sha256(repr(parts).encode()).hexdigest().encode()
    return (seed * (size // len(seed) + 1))[:size]


class SimulatedSplit(Stage[SplitTask, Iterator[SplitChunk]]):
    """Cuts "frames" into chunks without overlap."""

    name = "split"

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The number that was set."""
        return {"setting": self.simulation.settings.get("split", 0), "chunk_frames": self.simulation.chunk_frames}

    def setup(self) -> None:
        """Fail if asked to."""
        self.simulation.setup("split")

    def run(self, task: SplitTask) -> Iterator[SplitChunk]:
        """Yield the chunks."""
        words = task.source.read_text().split()
        if not words or not words[0].isdigit():
            raise ItemError(f"{task.source}: not a video")
        frames, step = int(words[0]), self.simulation.chunk_frames
        for index, start in enumerate(range(0, frames, step)):
            chunk = Chunk(task.video, index, 0, start, min(start + step, frames))
            self.simulation.act("split", index, task.video)
            folder = None
            if task.wanted(chunk):
                folder = task.output / f"{index:06d}"
                folder.mkdir()
                (folder / "frames.mkv").write_bytes(_content(self.simulation.bytes, chunk, self.parameters))
                self.simulation.write_more("split", folder)
            yield SplitChunk(chunk, folder)


class SimulatedChunkStage(Stage[ChunkTask, Result]):
    """Writes the hash of its inputs."""

    name = "simulated"

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation = simulation
        self.name = name  # type: ignore[misc]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The number that was set."""
        return {"setting": self.simulation.settings.get(self.name, 0)}

    @property
    def weights_digest(self) -> str:
        """A digest of no weights."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    def setup(self) -> None:
        """Fail if asked to."""
        self.simulation.setup(self.name)

    def run(self, task: ChunkTask) -> Result:
        """Read the inputs, sleep, write."""
        self.simulation.act(self.name, task.chunk.index, task.chunk.video)
        inputs = [(stage, _read(folder)) for stage, folder in sorted(task.inputs.items())]
        content = _content(self.simulation.bytes, self.name, inputs, self.parameters)
        (task.output / f"{self.name}.bin").write_bytes(content)
        self.simulation.write_more(self.name, task.output)
        return Result({"frames": len(task.chunk)})


class SimulatedAssemble(Stage[AssembleTask, Result]):
    """Joins what decode wrote."""

    name = "assemble"

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The number that was set."""
        return {"setting": self.simulation.settings.get("assemble", 0)}

    def setup(self) -> None:
        """Fail if asked to."""
        self.simulation.setup("assemble")

    def run(self, task: AssembleTask) -> Result:
        """Write a "video" and a sidecar."""
        self.simulation.act("assemble", -1, task.video)
        parts = [_read(folder) for folder in (*task.split, *task.decode)]
        video = hashlib.sha256(repr((parts, self.parameters)).encode()).hexdigest()
        (task.output / f"{task.name}.mkv").write_text(f"{video} {task.chunks[-1].stop}\n")
        (task.output / f"{task.name}.json").write_text(f'{{"frames": {task.chunks[-1].stop}}}\n')
        return Result({"frames": task.chunks[-1].stop})


def _read(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir()) if path.name not in ("artifact.json",)]
