from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline import config as configuration
from pipeline.config import ConfigError, RunConfig, load_config, merge, show, template, validate
from pipeline.config_text import model_of
from pipeline.presets import PRESETS
from pipeline.stage_factories import stage_factories

keys = st.sampled_from("abc")
trees = st.recursive(st.integers(), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)
mappings = st.dictionaries(keys, trees, max_size=3)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_documented(name: str) -> None:
    config = load_config(preset=name)
    assert config.preset == name and len(PRESETS[name].about) > 40
    assert validate(yaml.safe_load(template(name))) == config
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "guidance",
    [
        {"form": "published", "scale": 0},
        {"form": "published", "scale": -10},
        {"form": "corrected", "scale": 0},
        {"form": "none", "scale": -10},
        {"form": "none", "scale": 0.1},
        {"begin": 0.2, "end": 0.3},
    ],
)
def test_guidance_that_draws_frames_together_is_taken(guidance: dict[str, object]) -> None:
    assert validate({"sample": {"guidance": guidance}}).sample.guidance.model_dump().items() >= guidance.items()


def test_file_goes_over_preset_and_overrides_over_both(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("preset: reference\nsample: {steps: 30}\nseed: 1\n")
    config = load_config(file, ["seed=2", "sample.guidance.scale=-5", "runtime.scratch=null"])
    assert (config.preset, config.sample.steps, config.seed) == ("reference", 30, 2)
    assert (config.sample.guidance.scale, config.sample.guidance.form) == (-5, "published")
    assert load_config(file, ["preset=fast"]).sample.solver == PRESETS["fast"].values["sample"]["solver"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["sample.stepz=3"], r"sample\.stepz is not a setting \(did you mean steps\?\); allowed: .*solver"),
        (["sead=3"], r"sead is not a setting \(did you mean seed\?\)"),
        (["sample.guidance.from=none"], r"sample\.guidance\.from is not a setting \(did you mean form\?\)"),
        (["sample.steps=0"], r"sample\.steps is 0; allowed: greater than or equal to 1"),
        (["sample.solver=euler"], r"sample\.solver is 'euler'; allowed: 'ddpm' or 'ddim'"),
        (["steps=3"], r"^--set steps=3: steps is not a setting \(did you mean sample\.steps\?\)"),
        (["decode.guidance_scale=3"], r"decode\.guidance_scale is not a setting"),
        (["sample.steps=0"], r"^--set sample\.steps=0: sample\.steps is 0"),
        (["preset=embeded"], r"preset is 'embeded'; allowed: .*\(did you mean embedded\?\)"),
        (["seed"], r"write it as key=value"),
        (["seed=[1"], r"not YAML"),
        (["sample=3"], r"sample is 3; allowed: keys and values$"),
        (["sample="], r"sample is null; allowed: keys and values$"),
        (["scale=true"], r"scale is true; allowed: a number$"),
        (["sample.steps=yes"], r"sample\.steps is true; allowed: a whole number$"),
        (["pools.flow.resources={a: true}"], r"pools\.flow\.resources\.a is true; allowed: a number$"),
        (
            ["sample.guidance.form=published"],
            r"sample\.guidance: scale \(0\.1\) must be at most 0 with form published, whose own is -10$",
        ),
        (
            ["preset=reference", "sample.guidance.form=corrected"],
            r"scale \(-10\) must be at least 0 with form corrected",
        ),
        (
            ["sample.guidance={begin: 0.5, end: 0.5}"],
            r"begin \(0\.5\) must be less than end \(0\.5\); form none guides",
        ),
        (["decode.last_window=repeat"], r"do not overlap with last_window repeat: set window_overlap \(2\) to 0"),
        (["split.deinterlace=no"], r"split\.deinterlace is false; allowed: 'auto'"),
        (["scale="], r"scale is null; allowed: a number$"),
        (["sample.steps.x=3"], r"sample\.steps is \{'x': 3\}; allowed: a whole number$"),
        (["sample..steps=3"], r"write it as key=value"),
        (["sample.=3"], r"write it as key=value"),
        (["pools.flow.min=5", "pools.flow.max=2"], r"pools\.flow: max \(2\) must be at least min \(5\)$"),
        (["pools.flow.resources={x: .nan}"], r"pools\.flow\.resources is nan; allowed: a finite number$"),
        (["pools.flow.resources={x: -1}"], r"pools\.flow\.resources is -1; allowed: greater than or equal to 0$"),
        (["pools.flow.resources={GPU: 1}"], r"pools\.flow\.resources: GPU is no custom resource; set gpus$"),
        (["assemble.derivatives=h264"], r"assemble\.derivatives is 'h264'; allowed: a list$"),
        (["assemble.derivatives={kind: h264}"], r"assemble\.derivatives is \{'kind': 'h264'\}; allowed: a list$"),
        (["assemble.derivatives=[h264]"], r"assemble\.derivatives\.0 is 'h264'; allowed: keys and values$"),
        (["assemble.derivatives=[{kind: h266}]"], r"assemble\.derivatives\.0\.kind is 'h266'; allowed: 'prores', "),
        (["assemble.derivatives=[{knd: h264}]"], r"assemble\.derivatives\.0\.kind is missing$"),
        (
            ["assemble.derivatives=[{kind: h264, qualty: 3}]"],
            r"derivatives\.0\.qualty is not a setting \(did you mean quality\?\); allowed: kind, quality$",
        ),
        (["split.chunk_frames=6"], r"split: chunk_frames \(6\) must be more than"),
        (["sample.pixel_tile=100", "sample.pixel_stride=90"], r"sample\.pixel_tile is 100; allowed: a multiple of 8"),
        (["sample.pixel_tile=16", "sample.pixel_stride=16"], r"sample\.pixel_tile is 16; allowed: .* equal to 40"),
        (["sample.steps=50", "sample.start=0.01"], r"sample: steps \(50\) .* the 11 that start \(0\.01\) .* ddim: "),
        (["fidelity=0", "sample.steps=102"], r"sample: steps \(102\) .* the 101 that start \(0\.1\) leaves"),
        (
            ["sample.steps=30", "sample.start=0.02", "sample.solver=unipc"],
            r"sample: steps \(30\) .* the 20 that start \(0\.02\) leaves .* unipc: lower steps or raise start",
        ),
        (
            ["assemble.derivatives=[{kind: h265, quality: 52}]"],
            r"assemble\.derivatives\.0: quality of h265 is 52; it goes from 0 to 51",
        ),
        (
            ["assemble.derivatives=[{kind: av1}, {kind: h264, quality: 60}]"],
            r"assemble\.derivatives\.1: quality of h264 is 60; it goes from 0 to 51",
        ),
        (
            ["assemble.derivatives=[{kind: png, quality: 20}]"],
            r"assemble\.derivatives\.0: png has no quality; leave it out",
        ),
        (["assemble.derivatives=[{kind: prores, quality: 0}]"], r"assemble\.derivatives\.0: prores has no quality"),
        (
            ["assemble.derivatives=[{kind: h264}, {kind: dpx}, {kind: h264, quality: 30}]"],
            r"assemble\.derivatives is \[.*\]; allowed: each kind once, .* h264 is there twice",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, overrides: list[str], words: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("seed: 1\n")
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(file, overrides)
    assert "\n" not in str(caught.value)


def test_the_largest_settings_that_work_are_taken() -> None:
    config = load_config(
        overrides=[
            "sample.steps=20",
            "sample.start=0.02",
            "sample.solver=unipc",
            "sample.pixel_tile=40",
            "sample.pixel_stride=40",
            "assemble.derivatives=[{kind: h264, quality: 51}, {kind: h265, quality: 51}, {kind: av1, quality: 63}]",
        ]
    )
    assert config.sample.steps == 20 and len(config.assemble.derivatives) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "line 1.*not YAML"),
        ("- 1", "holds a list"),
        ("\0", "not YAML|cannot"),
        ("scale: " + "[" * 3000, r"not YAML \(too many brackets inside each other\)"),
        ("1: 2", "line 1: 1 is not a setting; allowed: preset, "),
        ("? [a]\n: 2", "line 1: not YAML"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml")


@given(mappings, mappings)
def test_merge_keeps_what_is_not_overridden(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = merge(base, over)
    assert set(merged) == {*base, *over}
    assert merge(merged, over) == merged and merge(base, {}) == base and merge({}, over) == over
    for key in set(base) - set(over):
        assert merged[key] == base[key]


def test_the_shared_settings_reach_the_stages() -> None:
    setting = load_config(overrides=["scale=2", "runtime.threads=3", "runtime.device=cpu"]).setting
    assert (setting.scale, setting.threads, setting.device) == (2.0, 3, "cpu")


@pytest.mark.parametrize("stage", ["split", "flow", "sample", "decode", "assemble"])
def test_every_stage_is_made_from_the_configuration(stage: str) -> None:
    assert stage_factories(load_config())[stage]().name == stage


def test_fields_can_be_kept_only_where_lines_stay_lines() -> None:
    assert load_config(overrides=["split.deinterlace=keep", "scale=1"]).split.deinterlace == "keep"
    with pytest.raises(ConfigError, match="needs scale=1"):
        load_config(overrides=["split.deinterlace=keep"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nsample:\n  solver: ddim\n  stepz: 3\n", r"line 4: sample\.stepz is not a setting .*mean steps"),
        ("seed: 1\nsample:\n  steps: many\n", r"line 3: sample\.steps is 'many'; allowed: a whole number"),
        ("seed: 1\nsplit:\n  chunk_frames: 4\n", r"line 2: split: chunk_frames \(4\)"),
        ("seed: 1\nscale: 2\nseed: 3\n", r"line 3: seed stands there twice, first in line 1"),
        ("scale: 2\npreset: fats\n", r"line 2: preset is 'fats'; allowed: .*\(did you mean fast\?\)"),
    ],
)
def test_an_error_in_a_file_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}, ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("word", [".inf", "null"])
def test_no_limit_of_time_can_be_written_as_null_or_as_infinity(word: str) -> None:
    config = load_config(overrides=[f"limits.timeouts.sample={word}"])
    assert config.limits.timeouts.sample is None and config.limits.timeouts.flow == 14_400
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("word", ["1e10", "-.inf", ".nan", "0"])
def test_a_limit_of_time_that_no_clock_counts_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=r"limits\.timeouts\.sample is .*; allowed: ") as caught:
        load_config(overrides=[f"limits.timeouts.sample={word}"])
    assert "\n" not in str(caught.value)
    if word == "1e10":
        assert "at most 1000000000; null or .inf for no limit" in str(caught.value)


def test_every_value_is_shown_with_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("preset: reference\nsample:\n  steps: 30\n")
    text = show(file, ["seed=7"])
    assert validate(yaml.safe_load(text)) == load_config(file, ["seed=7"])
    lines = [line.strip() for line in text.splitlines()]
    assert f"steps: 30  # {file}, line 3" in lines
    assert "seed: 7  # --set seed=7" in lines
    assert "solver: ddpm  # preset reference" in lines
    assert "threads: 2  # default" in lines
    assert show(preset="embedded", changed=True).strip() == ""
    assert "steps: 30" in show(file, changed=True) and "threads" not in show(file, changed=True)


def test_every_key_is_described_once_and_known_to_the_shell() -> None:
    named = configuration.keys()
    assert len(named) == len(set(named)) and {"seed", "sample.guidance.scale", "pools.flow.price"} < set(named)
    described(RunConfig)


def described(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        assert field.description and len(field.description) > 5, name
        below = model_of(field.annotation)
        if below:
            described(below)
