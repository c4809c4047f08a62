"""Derivatives that could not be made when their video was assembled, tried again from the finished master."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from stages.assemble.config import AssembleConfig
from stages.assemble.derivatives import Derivatives, derivative_of, make_derivatives
from stages.contract import Fact

_FAILED = "failed_derivatives"


def is_lacking(facts: Mapping[str, Fact]) -> bool:
    """Whether a derivative of a finished video could not be made, by the facts of assemble."""
    return bool(facts.get(_FAILED))


def make_up(master: Path, config: AssembleConfig, facts: Mapping[str, Fact]) -> dict[str, Fact] | None:
    """Make the derivatives that are not beside a master.

    Args:
        master: the finished Matroska file.
        config: says which derivatives there shall be.
        facts: what assemble had to say when it made the master.

    Returns:
        The facts as they are now; None if none of them can be made now either.

    Raises:
        FfmpegError: see ``make_derivatives``.
    """
    wanted = [each for each in config.derivatives if not derivative_of(master, each.kind).exists()]
    rate = Fraction(str(facts["rate"])) if facts["rate"] else None
    derivatives = make_derivatives(master, wanted, rate, int(facts["frames"]))
    if not derivatives.made:
        return None
    before = str(facts["left_out"]).removesuffix(str(facts[_FAILED])).removesuffix(", ")
    return with_derivatives({**facts, "left_out": before}, derivatives)


def with_derivatives(facts: Mapping[str, Fact], derivatives: Derivatives) -> dict[str, Fact]:
    """Add to facts, whose ``left_out`` and ``derivatives`` tell of everything else, what was made and what was not."""
    failed = ", ".join(derivatives.failed)
    return {
        **facts,
        "left_out": ", ".join(filter(None, [str(facts["left_out"]), *derivatives.lacking, failed])),
        "derivatives": ", ".join(filter(None, [str(facts["derivatives"]), *(each.name for each in derivatives.made)])),
        _FAILED: failed,
    }
