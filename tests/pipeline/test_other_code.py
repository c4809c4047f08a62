"""A workspace taken up by another version of Reelift, or with other weights: never mixed, never made anew unasked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.executors.base import StageFactory
from pipeline.fingerprint import fingerprint
from pipeline.report import RunReport
from pipeline.workspace import ChangedError

Restore = Callable[..., RunReport]


class Rewritten(SimulatedChunkStage):
    """A stage whose code writes other bytes than before."""

    revision = 2


class Retrained(SimulatedChunkStage):
    """A stage with other weights under the same settings."""

    weights_digest = "of other weights"


@dataclass(frozen=True)
class Another(Simulation):
    """The simulated stages with another one that samples."""

    sample: type[SimulatedChunkStage] = SimulatedChunkStage

    def factories(self) -> dict[str, StageFactory]:
        return {**super().factories(), "sample": partial(self.sample, self, "sample")}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Rewritten, r"was made by a version of Reelift that wrote other bytes \(sample\)"),
        (Retrained, r"was made with other weights \(sample\)"),
    ],
)
def test_it_is_refused_until_it_is_asked_for(
    restore: Restore, tmp_path: Path, other: type[SimulatedChunkStage], told: str
) -> None:
    restore()
    there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ChangedError, match=f"{told}; use another workspace, or reprocess this one"):
        restore(Another(sample=other))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == there
    report = restore(Another(sample=other), allow_changed=True)
    made = {stage for stage, outcomes in report.stages.items() if outcomes.get("done")}
    assert made == {"sample", "decode", "assemble"}
    assert restore(Another(sample=other)).count("reused") == 3
    with pytest.raises(ChangedError, match=told):
        restore()


def test_a_workspace_from_before_there_were_revisions_goes_on(restore: Restore, tmp_path: Path) -> None:
    restore()
    record = tmp_path / "workspace" / "run.yaml"
    settings = yaml.safe_load(record.read_text())
    weights = SimulatedChunkStage(Simulation(), "sample").weights_digest
    assert settings.pop("made_with")["sample"] == {"revision": 1, "weights": weights}
    record.write_text(yaml.safe_dump(settings))
    assert restore().count("reused") == 3
    assert "made_with" in yaml.safe_load(record.read_text())


def test_the_first_revision_leaves_names_as_they_were() -> None:
    before = hashlib.sha256(b'["sample",{"a":1},"w",["i"]]').hexdigest()
    assert fingerprint("sample", {"a": 1}, "w", ["i"], 1) == before
    assert len({fingerprint("sample", {"a": 1}, "w", ["i"], revision) for revision in (1, 2, 3)}) == 3
