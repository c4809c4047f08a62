"""The configuration of a run: one pydantic model, one YAML, and ``--set a.b=c``.

Each stage's section lives beside the stage (``stages/<stage>/config.py``). What all networks share (model folder,
scale, seed, device) stands at the top and reaches the stages as a ``ModelSetting``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.compiling import Compilation
from pipeline.presets import PRESETS
from stages.assemble.config import AssembleConfig
from stages.decode.config import DecodeConfig
from stages.flow.config import FlowConfig
from stages.sample.config import SampleConfig
from stages.setting import CanvasRule, ModelSetting
from stages.split.config import SplitConfig

PresetName = Literal["reference", "balanced", "fast", "embedded"]


class ConfigError(Exception):
    """A configuration that cannot be used: one line with file, key, value and what is allowed."""


class Timeouts(BaseModel):
    """Seconds that an attempt may take on Ray before it is ended, with its worker, and counts as failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: float = Field(14_400, gt=0, description="From one chunk of a video to its next.")
    flow: float = Field(14_400, gt=0, description="A chunk.")
    sample: float = Field(14_400, gt=0, description="A chunk.")
    decode: float = Field(14_400, gt=0, description="A chunk.")
    assemble: float = Field(86_400, gt=0, description="A video.")


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
    timeouts: Timeouts = Field(default_factory=Timeouts, description="Seconds that an attempt may take on Ray.")
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


class Pool(BaseModel):
    """How many workers a stage has on Ray, and what each of them takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(1, ge=1, le=10_000, description="Workers at least.")
    max: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Workers at most. null: as many as min; for flow, sample and decode what the cluster has room for, "
        "shared out by their measured seconds per chunk.",
    )
    cpus: float | None = Field(
        None, gt=0, le=1024, description="Cores per worker; null: share the machine's cores if there is no GPU, else 1."
    )
    gpus: float | None = Field(
        None, ge=0, le=64, description="GPUs per worker; null: one for flow, sample and decode if the cluster has any."
    )
    resources: dict[str, float] = Field(default_factory=dict, description="Ray's custom resources per worker.")
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


class Pools(BaseModel):
    """The worker pools. They decide the speed, never the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: Pool = Field(default_factory=Pool, description="Workers that read videos.")
    flow: Pool = Field(default_factory=Pool, description="Workers that estimate optical flow.")
    sample: Pool = Field(default_factory=Pool, description="Workers that run the diffusion model.")
    decode: Pool = Field(default_factory=Pool, description="Workers that turn latents into frames.")
    assemble: Pool = Field(default_factory=Pool, description="Workers that join and publish videos.")


class Runtime(BaseModel):
    """Where the arithmetic runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field("auto", description="torch device, or 'auto': the first GPU, else the CPU.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Precision of the networks' weights and activations."
    )
    compile: Compilation = Field(
        "off",
        description="How torch compiles the networks of sample and decode: 'kernels' fuses operations, 'graphs' (GPUs) "
        "also records CUDA graphs. Costs minutes at the start, changes results by rounding.",
    )
    threads: int = Field(
        2, ge=1, le=256, description="torch threads per worker; fixed, so that the bytes do not depend on the pools."
    )
    scratch: str | None = Field(
        None, description="Local folder for temporary files; null: inside a local workspace, else the system's."
    )


class RunConfig(BaseModel):
    """The configuration of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: PresetName = Field("embedded", description="Named set of values that the others start from.")
    model: Path | None = Field(None, description="Model folder in diffusers' layout; null: the embedded model.")
    scale: float = Field(4.0, ge=1.0, le=8.0, description="Output size over input size, per side.")
    canvas: CanvasRule = Field("exact", description="How the working size is chosen; see the stage setting.")
    seed: int = Field(42, ge=0, lt=2**63, description="Seed of every noise field, with video, frame and step.")
    split: SplitConfig = Field(default_factory=SplitConfig, description="How videos are read and cut.")
    flow: FlowConfig = Field(default_factory=FlowConfig, description="Optical flow and occlusion masks.")
    sample: SampleConfig = Field(default_factory=SampleConfig, description="Initial estimate, diffusion and guidance.")
    decode: DecodeConfig = Field(default_factory=DecodeConfig, description="Temporal decoder and colour correction.")
    assemble: AssembleConfig = Field(default_factory=AssembleConfig, description="Joining, copying, sidecars.")
    limits: Limits = Field(default_factory=Limits, description="How hard to try, and how much to check.")
    pools: Pools = Field(default_factory=Pools, description="Worker pools on Ray.")
    runtime: Runtime = Field(default_factory=Runtime, description="Where the arithmetic runs.")

    @model_validator(mode="after")
    def _fields_stay_lines(self) -> Self:
        if self.split.deinterlace == "keep" and self.scale != 1:
            raise ValueError("split.deinterlace=keep needs scale=1: enlarged, the lines of two fields would be mixed")
        return self

    @property
    def setting(self) -> ModelSetting:
        """What all stages that run a network share."""
        return ModelSetting(
            model=self.model,
            scale=self.scale,
            canvas=self.canvas,
            seed=self.seed,
            device=self.runtime.device,
            precision=self.runtime.precision,
            compile=self.runtime.compile,
            threads=self.runtime.threads,
        )


def load_config(
    file: str | Path | Mapping[str, Any] | None = None, overrides: Sequence[str] = (), preset: str | None = None
) -> RunConfig:
    """Return the configuration: defaults, then the preset, then the YAML file, then ``a.b=c`` overrides.

    Args:
        file: YAML file, or its content, or None.
        overrides: ``key=value`` with dotted keys; values are read as YAML.
        preset: name of a preset; goes before the file's.

    Raises:
        ConfigError: one line naming file, key, value and what is allowed.
    """
    where = str(file) if isinstance(file, str | Path) else "configuration"
    given = dict(file) if isinstance(file, Mapping) else _read(file) if file else {}
    asked: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override}: write it as key=value, like --set sample.steps=20")
        try:
            _insert(asked, key.strip().split("."), yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override}: the value is not YAML") from error
    name = asked.get("preset", preset or given.get("preset", RunConfig.model_fields["preset"].default))
    if name not in PRESETS:
        raise ConfigError(f"{where}: preset is {name!r}; allowed: {', '.join(PRESETS)}{_meant(str(name), PRESETS)}")
    values = merge(merge(merge(PRESETS[name].values, given), asked), {"preset": name})
    return validate(values, where)


def validate(values: Mapping[str, Any], where: str = "configuration") -> RunConfig:
    """Return the configuration that plain values describe.

    Raises:
        ConfigError: one line for the first thing that is wrong.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``; mappings are merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def template(preset: str = "embedded") -> str:
    """Return a YAML file with every key, its default in this preset and its description."""
    config = load_config(preset=preset)
    return "\n".join(_template(config, 0)) + "\n"


def keys(model: type[BaseModel] = RunConfig, before: str = "") -> list[str]:
    """Return all settings that have a value, dotted: ``seed``, ``sample.steps``, ``sample.guidance.form`` and so on."""
    found = []
    for name, info in model.model_fields.items():
        below = _model_of(info.annotation)
        found += keys(below, f"{before}{name}.") if below else [f"{before}{name}"]
    return found


def _model_of(annotation: Any) -> type[BaseModel] | None:
    options = [annotation, *get_args(annotation)]
    return next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _template(model: BaseModel, depth: int) -> list[str]:
    lines, pad = [], "  " * depth
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        lines.append(f"{pad}# {info.description}")
        if isinstance(value, BaseModel):
            lines += [f"{pad}{name}:", *_template(value, depth + 1)]
        else:
            plain = model.model_dump(mode="json", include={name})[name]
            text = yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()
            lines.append(f"{pad}{name}: {text}")
    return lines


def _read(file: str | Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{at}: not YAML ({getattr(error, 'problem', None) or 'cannot be read'})") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{file}: a folder, not a file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{file}: holds a {type(loaded).__name__} where keys and values are expected")
    return loaded


def _insert(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[keys[-1]] = value


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _keys(path[:-1])
        return f"{key} is not a setting{_meant(path[-1], known)}; allowed: {', '.join(known)}"
    given = first.get("input")
    shown = repr(given) if not isinstance(given, Mapping) else "a mapping"
    allowed = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key or 'the whole'} is {shown}; allowed: {allowed}"


def _keys(path: list[str]) -> list[str]:
    model: Any = RunConfig
    for part in path:
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return []
        model = _model_of(model.model_fields[part].annotation)
    return list(model.model_fields) if model else []


def _meant(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
