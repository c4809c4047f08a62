"""How a run is carried out: how hard to try, pools of workers, device. Little of it decides the bytes."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.choices import Compilation

LONGEST_SECONDS = 10**9
"""31 years; the clocks that end an attempt do not count ten times as far."""


def _bounded(seconds: float | None) -> float | None:
    """Read infinity as what it means; it cannot be kept, since no clock counts as far."""
    if seconds is not None and seconds != math.inf and seconds > LONGEST_SECONDS:
        raise ValueError(f"at most {LONGEST_SECONDS}; null or .inf for no limit")
    return None if seconds == math.inf else seconds


Seconds = Annotated[Annotated[float, Field(gt=0)] | None, AfterValidator(_bounded)]


class Timeouts(BaseModel):
    """Seconds that an attempt may take before it is ended, with its worker, and counts as failed; null: no limit.

    On Ray always; with ``--executor local`` if one is set, or the run before died at its work.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: Seconds = Field(
        14_400,
        description="From one chunk of a video to its next, and to the first, which a survey of the whole source comes "
        "before, as long for every gigabyte of the source, at least once; null: no limit.",
    )
    flow: Seconds = Field(14_400, description="A chunk; null: no limit.")
    sample: Seconds = Field(14_400, description="A chunk; null: no limit.")
    decode: Seconds = Field(14_400, description="A chunk; null: no limit.")
    assemble: Seconds = Field(86_400, description="A video; null: no limit.")


class Limits(BaseModel):
    """How hard to try, and how much to check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(3, ge=1, le=100, description="Attempts at an item before it is given up.")
    ahead: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Chunks that split may be ahead of decode on Ray, so that it does not race through the library "
        "while the GPUs are at its beginning; null: eight per worker.",
    )
    timeouts: Timeouts = Field(
        default_factory=Timeouts, description="Seconds that an attempt may take; null: no limit."
    )
    scratch_bytes: int | None = Field(
        None,
        ge=1,
        description="Space in the workspace, in bytes, for the artifacts of videos that are not published yet: split "
        "stops ahead of the GPUs when they take more. null: no bound but the one on chunks (ahead).",
    )
    keep_artifacts: bool | None = Field(
        None,
        description="Whether the artifacts of a video's chunks stay when it is published. They let other settings "
        "reuse what they do not reach, and take several times the space of the result; without them, further "
        "copies of the same content are computed again. null: yes, unless scratch_bytes is set.",
    )
    verify: Literal["full", "size"] = Field(
        "full",
        description="How an artifact is checked before it is reused: 'full' compares sizes and SHA-256, 'size' only "
        "sizes (for object stores where reading everything back costs too much).",
    )


def _custom(resources: dict[str, float]) -> dict[str, float]:
    """Refuse what Ray does not take among custom resources."""
    for name, own in (("CPU", "cpus"), ("GPU", "gpus")):
        if name in resources:
            raise ValueError(f"{name} is no custom resource; set {own}")
    return resources


class Pool(BaseModel):
    """How many workers a stage has on Ray, and what each of them takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(1, ge=1, le=10_000, description="Workers at least.")
    max: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Workers at most. null: for flow, sample and decode what the machines of their labels have room "
        "for, shared out by their measured seconds per chunk; for split and assemble, where there are GPUs and neither "
        "min nor labels is set, as many as keep up with these; else as many as min.",
    )
    cpus: float | None = Field(
        None, gt=0, le=1024, description="Cores per worker; null: share the machine's cores if there is no GPU, else 1."
    )
    gpus: float | None = Field(
        None, ge=0, le=64, description="GPUs per worker; null: one for flow, sample and decode if the cluster has any."
    )
    resources: Annotated[dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], AfterValidator(_custom)] = (
        Field(default_factory=dict, description="Ray's custom resources per worker.")
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of the machines that may run it, as Ray's label_selector wants them, like "
        "{ray.io/accelerator-type: L4} or {pool: '!in(spot)'}.",
    )
    price: float | None = Field(
        None,
        ge=0,
        description="What a worker costs per hour, its share of the machine, in any currency; 'reelift plan' alone "
        "uses it.",
    )

    @model_validator(mode="after")
    def _room_between(self) -> Pool:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max ({self.max}) must be at least min ({self.min})")
        return self


class Pools(BaseModel):
    """The worker pools. They decide the speed, never the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: Pool = Field(default_factory=Pool, description="Workers that read videos.")
    flow: Pool = Field(default_factory=Pool, description="Workers that estimate optical flow.")
    sample: Pool = Field(default_factory=Pool, description="Workers that run the diffusion model.")
    decode: Pool = Field(default_factory=Pool, description="Workers that turn latents into frames.")
    assemble: Pool = Field(default_factory=Pool, description="Workers that join and publish videos.")


_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu", "hpu", "npu", "mtia", "xla")


def _device(name: str) -> str:
    """Refuse what no machine has; whether this one has it is found out where the arithmetic runs."""
    kind, colon, number = name.partition(":")
    if kind not in _DEVICES or (colon and not number.isdecimal()):
        raise ValueError(f"{', '.join(_DEVICES)}, or one of several like cuda:1")
    return name


class Runtime(BaseModel):
    """Where the arithmetic runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Annotated[str, AfterValidator(_device)] = Field(
        "auto", description="torch device, or 'auto': the first GPU, else the CPU."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Precision of the networks' weights and activations."
    )
    compile: Compilation = Field(
        "off",
        description="How torch compiles the networks of sample and decode: 'kernels' fuses operations, 'graphs' (GPUs) "
        "also records CUDA graphs. Costs minutes at the start, changes results by rounding.",
    )
    winograd: bool = Field(
        True,
        description="Whether 3x3 and 7x7 convolutions take fewer multiplications, by NNPACK: in float32, "
        "on CPUs with AVX2 or AVX-512. Changes results by rounding.",
    )
    threads: int = Field(
        2,
        ge=1,
        le=256,
        description="Threads of torch and OpenCV a worker; fixed, so that bytes do not depend on the pools.",
    )
    scratch: str | None = Field(
        None, description="Local folder for temporary files; null: inside a local workspace, else the system's."
    )
