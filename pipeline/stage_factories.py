"""Makes the five stages from a configuration. Imports each stage only in the process that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pipeline.config import RunConfig
from pipeline.executors.base import StageFactory
from stages.contract import Stage


def stage_factories(config: RunConfig) -> Mapping[str, StageFactory]:
    """Return name -> a picklable function that makes the stage, not set up."""
    return {
        "split": partial(make_split, config),
        "flow": partial(make_flow, config),
        "sample": partial(make_sample, config),
        "decode": partial(make_decode, config),
        "assemble": partial(make_assemble, config),
    }


def make_split(config: RunConfig) -> Stage[Any, Any]:
    """Return the split stage."""
    from stages.split.stage import SplitStage

    return SplitStage(config.split)


def make_flow(config: RunConfig) -> Stage[Any, Any]:
    """Return the flow stage."""
    from stages.flow.stage import FlowStage

    return FlowStage(config.flow, config.setting)


def make_sample(config: RunConfig) -> Stage[Any, Any]:
    """Return the sample stage."""
    from stages.sample.stage import SampleStage

    return SampleStage(config.sample, config.setting)


def make_decode(config: RunConfig) -> Stage[Any, Any]:
    """Return the decode stage."""
    from stages.decode.stage import DecodeStage

    return DecodeStage(config.decode, config.setting)


def make_assemble(config: RunConfig) -> Stage[Any, Any]:
    """Return the assemble stage."""
    from stages.assemble.stage import AssembleStage

    return AssembleStage(config.assemble)
