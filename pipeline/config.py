"""The configuration of a run: one pydantic model, one YAML, and ``--set a.b=c``.

Each stage's section lives beside the stage (``stages/<stage>/config.py``). What all networks share (model folder,
scale, seed, device) stands at the top and reaches the stages as a ``ModelSetting``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.config_file import ConfigError, Key, read_file
from pipeline.config_running import Limits, Pools, Runtime
from pipeline.config_text import described, explain, meant, resolved, written
from pipeline.config_text import keys as keys_of
from pipeline.fidelity import fidelity_values
from pipeline.presets import PRESETS
from stages.assemble.config import AssembleConfig
from stages.decode.config import DecodeConfig
from stages.flow.config import FlowConfig
from stages.sample.config import SampleConfig
from stages.setting import CanvasRule, ModelSetting
from stages.split.config import SplitConfig

__all__ = ["ConfigError", "Limits", "Pools", "RunConfig", "Runtime", "load_config", "validate"]

PresetName = Literal["reference", "balanced", "fast", "embedded", "conservative", "detail"]


class RunConfig(BaseModel):
    """The configuration of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: PresetName = Field("embedded", description="Named set of values that the others start from.")
    model: Path | None = Field(None, description="Model folder in diffusers' layout; null: the embedded model.")
    scale: float = Field(4.0, ge=1.0, le=8.0, description="Output size over input size, per side.")
    height: int | None = Field(
        None,
        ge=16,
        le=8640,
        description="Rows of the output as it is shown (1080), instead of the scale; never fewer than the source's.",
    )
    fidelity: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Dial from 0, conservative, to 1, generative. Sets sample.start, sample.guidance.scale, "
        "decode.fusion_weight and decode.back_projection where the file or --set do not; null: as the preset has them.",
    )
    canvas: CanvasRule = Field("exact", description=ModelSetting.model_fields["canvas"].description)
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
        if self.split.deinterlace == "keep" and (self.scale != 1 or self.height is not None):
            raise ValueError("split.deinterlace=keep needs scale=1: enlarged, the lines of two fields would be mixed")
        return self

    @model_validator(mode="after")
    def _letter_is_kept(self) -> Self:
        if self.canvas == "published" and (self.height is not None or self.fidelity is not None):
            raise ValueError("height and fidelity need canvas=exact; the published system has neither")
        return self

    @property
    def setting(self) -> ModelSetting:
        """What all stages that run a network share."""
        return ModelSetting(
            model=self.model,
            scale=self.scale,
            height=self.height,
            canvas=self.canvas,
            seed=self.seed,
            device=self.runtime.device,
            precision=self.runtime.precision,
            compile=self.runtime.compile,
            winograd=self.runtime.winograd,
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
        ConfigError: one line naming file, line, key, value and what is allowed.
    """
    return _load(file, overrides, preset)[0]


def show(
    file: str | Path | None = None, overrides: Sequence[str] = (), preset: str | None = None, changed: bool = False
) -> str:
    """Return the configuration that would be in force as YAML, each value with its origin.

    Args:
        file: YAML file, or None.
        overrides: see ``load_config``.
        preset: see ``load_config``.
        changed: leave out what has its default, wherever that comes from, unless the preset has another value.

    Raises:
        ConfigError: see ``load_config``.
    """
    config, origins = _load(file, overrides, preset)
    usual = (RunConfig(), load_config(preset=config.preset)) if changed else ()
    return "\n".join(resolved(config, origins, usual)) + "\n"


def template(preset: str = "embedded") -> str:
    """Return a YAML file with every key, its value in this preset and its description."""
    return "\n".join(described(load_config(preset=preset))) + "\n"


def keys() -> list[str]:
    """Return all settings that have a value, dotted: ``seed``, ``sample.steps``, ``sample.guidance.form`` and so on."""
    return keys_of(RunConfig)


def validate(values: Mapping[str, Any], where: str = "configuration") -> RunConfig:
    """Return the configuration that plain values describe.

    Raises:
        ConfigError: one line for the first thing that is wrong.
    """
    return _validate(values, lambda key: where)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``; mappings are merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _load(
    file: str | Path | Mapping[str, Any] | None, overrides: Sequence[str], preset: str | None
) -> tuple[RunConfig, dict[str, str]]:
    where = str(file) if isinstance(file, str | Path) else "configuration"
    given, lines = (dict(file), {}) if isinstance(file, Mapping) else read_file(file) if file else ({}, {})
    asked, said = _overrides(overrides)

    def place(key: Key) -> str:
        for length in range(len(key), 0, -1):
            if key[:length] in said:
                return said[key[:length]]
            if key[:length] in lines:
                return f"{where}, line {lines[key[:length]]}"
        below = [words for path, words in said.items() if path[: len(key)] == key]  # of what a section lacks
        return below[-1] if below else where

    name = asked.get("preset", preset or given.get("preset", RunConfig.model_fields["preset"].default))
    if name not in PRESETS:
        at = "--preset" if preset and "preset" not in asked else place(("preset",))
        raise ConfigError(f"{at}: preset is {name!r}; allowed: {', '.join(PRESETS)}{meant(str(name), PRESETS)}")
    values, origins = merge(merge(PRESETS[name].values, given), asked), {}
    dial = values.get("fidelity")
    published = values.get("canvas") == "published"  # which has no dial, as the configuration says itself
    if isinstance(dial, int | float) and 0 <= dial <= 1 and not published:
        # What the embedded networks are trained on, and no other.
        embedded = values.get("sample", {}).get("initial_estimate", "recurrent") == "recurrent"
        turned = fidelity_values(dial, embedded)
        values = merge(merge(merge(PRESETS[name].values, turned), given), asked)
        origins = dict.fromkeys(_leaves(turned), f"fidelity {dial:g}")
    values |= {"preset": name}
    origins = dict.fromkeys(_leaves(PRESETS[name].values), f"preset {name}") | origins
    origins |= {key: place(tuple(key.split("."))) for layer in (given, asked) for key in _leaves(layer)}
    return _validate(values, place), origins


def _validate(values: Mapping[str, Any], place: Callable[[Key], str]) -> RunConfig:
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        key, what = explain(error, RunConfig)
        raise ConfigError(f"{place(key)}: {what}") from error
    _refuse_truth(values, config.model_dump(), place)
    return config


def _refuse_truth(given: Any, read: Any, place: Callable[[Key], str], key: Key = ()) -> None:
    """Refuse ``true`` and ``yes`` where a number is wanted: pydantic takes them for 1, and ``false`` for 0."""
    if isinstance(given, bool) and isinstance(read, int | float) and not isinstance(read, bool):
        what = "a whole number" if isinstance(read, int) else "a number"
        raise ConfigError(f"{place(key)}: {'.'.join(key)} is {written(given)}; allowed: {what}")
    if isinstance(given, Mapping) and isinstance(read, Mapping):
        for name, value in given.items():
            _refuse_truth(value, read.get(name), place, (*key, name))
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        for number, (one, other) in enumerate(zip(given, read, strict=False)):
            _refuse_truth(one, other, place, (*key, str(number)))


def _overrides(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[Key, str]]:
    """Return the values that were asked for, and for each the words that did."""
    asked: dict[str, Any] = {}
    said: dict[Key, str] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not all(key.strip().split(".")):
            raise ConfigError(f"--set {override}: write it as key=value, like --set sample.steps=20")
        path = tuple(key.strip().split("."))
        try:
            _insert(asked, list(path), yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override}: the value is not YAML") from error
        said[path] = f"--set {override}"
    return asked, said


def _leaves(values: Mapping[str, Any], before: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found += _leaves(value, f"{before}{key}.") if isinstance(value, Mapping) and value else [f"{before}{key}"]
    return found


def _insert(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[keys[-1]] = value
