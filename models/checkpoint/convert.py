"""From the published checkpoints of MGLD-VSR to a model folder (golden README, section 13; docs/checkpoints.md).

The files are mapped, not read; everything is placed before anything is written; and tensors are written one by one
into a folder beside the output, which gets its name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from diffusers import DDPMScheduler

from models.checkpoint import published
from models.checkpoint.container import read_tensors
from models.checkpoint.omissions import Omitted
from models.checkpoint.plan import Plan, Source, make_plan
from models.checkpoint.precision import Precision
from models.checkpoint.renaming import CheckpointError
from models.checkpoint.streaming import write_safetensors
from models.configurations import FULL, Configuration
from models.stored_files import WEIGHTS

RECORD_NAME = "conversion.json"

ALWAYS_FLOAT32 = frozenset({"flow"})
"""Parts that are small and whose result is thresholded (occlusion masks)."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was converted: its role, name, size in bytes and SHA-256 (hex)."""

    role: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A network that was written: its folder, and how many tensors, parameters and bytes it has."""

    name: str
    tensors: int
    parameters: int
    size: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted, and what was not."""

    sources: tuple[SourceFile, ...]
    precision: Precision
    parts: tuple[Part, ...]
    omitted: tuple[Omitted, ...]
    warnings: tuple[str, ...]


def convert(
    diffusion: Path,
    vae: Path,
    flow: Path | None,
    output: Path,
    precision: Precision = Precision.float16,
    configuration: Configuration = FULL,
    skip: Iterable[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Conversion:
    """Write a model folder from the published files.

    Args:
        diffusion: MGLD-VSR's diffusion checkpoint.
        vae: its video VAE.
        flow: RAFT's own file; None takes the copy in the diffusion checkpoint.
        output: folder to make; it must not exist or be empty.
        precision: of the stored networks, except those in ``ALWAYS_FLOAT32``; the prompt is float32.
        configuration: sizes of the networks.
        skip: prefixes of keys to leave out, besides those that are known.
        tell: called with a line for people before each piece of work.

    Raises:
        CheckpointError: a file is not what it should be; the message is one line and names it.
        OSError: something cannot be read or written, or the output exists.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise FileExistsError(f"{output}: exists already; name a new folder")
    files = [("diffusion", diffusion, published.DIFFUSION), ("vae", vae, published.VAE)]
    files += [("flow", flow, published.FLOW)] if flow else []
    opened = {role: Source(str(path), read_tensors(path, kind.expected)) for role, path, kind in files}
    plan = make_plan(opened["diffusion"], opened["vae"], opened.get("flow"), configuration, skip)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        with _naming_output(output):
            parts = _write(plan, folder, precision, tell)
        tell("sources: hashing")
        sources = tuple(SourceFile(role, path.name, path.stat().st_size, _sha256(path)) for role, path, _ in files)
        omitted = tuple(replace(entry, file=Path(entry.file).name) for entry in plan.omitted)
        conversion = Conversion(sources, precision, tuple(parts), omitted, plan.warnings)
        with _naming_output(output):
            (folder / RECORD_NAME).write_text(json.dumps(asdict(conversion), indent=1) + "\n", encoding="utf-8")
            folder.rename(output)
    return conversion


def _write(plan: Plan, folder: Path, precision: Precision, tell: Callable[[str], None]) -> list[Part]:
    parts = []
    for name, planned in plan.networks.items():
        kind = Precision.float32 if name in ALWAYS_FLOAT32 else precision
        parameters = sum(tensor.numel() for tensor in planned.state.values())
        tell(f"{name}: writing {parameters / 1e6:.1f} M parameters as {kind.value}")
        planned.network.save_config(folder / name)
        with _naming_source(planned.source, name):
            size = write_safetensors(folder / name / WEIGHTS, planned.state, getattr(torch, kind.value))
        parts.append(Part(name, len(planned.state), parameters, size))
    (folder / "prompt").mkdir()
    with _naming_source(plan.text_tower, "prompt"):
        write_safetensors(folder / "prompt" / "prompt.safetensors", {"prompt": plan.prompt}, torch.float32)
    # What ``DiffusionSchedule.base`` computes, in diffusers' words.
    DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        clip_sample=False,
    ).save_config(folder / "scheduler")
    return parts


@contextmanager
def _naming_source(source: str, network: str) -> Iterator[None]:
    """Say which file has the value that cannot be written."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {network}: {error}") from error


@contextmanager
def _naming_output(output: Path) -> Iterator[None]:
    """Say what cannot be written; a full disk names no file."""
    try:
        yield
    except OSError as error:
        told = f"cannot be written, and nothing is left of it: {error.strerror or error}"
        raise OSError(error.errno, told, str(output)) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
