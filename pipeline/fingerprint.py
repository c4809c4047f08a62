"""Fingerprints: the names of artifacts.

A fingerprint is the SHA-256 of the stage's name, its parameters, its weights' digest, the fingerprints of its inputs
and, from the second on, the revision of its code. Equal fingerprints mean equal bytes, so an artifact that exists never
has to be computed again, and changing a setting recomputes only the stages that it reaches.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.contract import Stage
from stages.items import Chunk
from stages.split.config import SplitConfig


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of ``value``: sorted keys, no spaces, UTF-8, one spelling per number.

    Tuples read as lists, and floats without a fraction as integers (as in RFC 8785), so that ``4`` and ``4.0`` in a
    configuration file name the same artifact.

    Raises:
        TypeError: for anything that JSON cannot hold (the path to it is in the message).
        ValueError: for NaN and infinities.
    """
    plain = _plain(value, "value")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which has no place in a fingerprint")
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, which is not a string")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}, which has no place in a fingerprint")


def fingerprint(
    stage: str, parameters: Mapping[str, Any], weights: str, inputs: Sequence[str], revision: int = 1
) -> str:
    """Return the fingerprint (64 hex digits) of what ``stage`` makes of ``inputs``.

    Args:
        stage: name of the stage.
        parameters: everything besides inputs and weights that decides the bytes; JSON-compatible.
        weights: digest of the weights, "" if there are none.
        inputs: fingerprints of the inputs, in a fixed order.
        revision: of the stage's code; the first one leaves the name as it was before there were revisions.
    """
    later = [revision] if revision > 1 else []
    return hashlib.sha256(canonical_json([stage, parameters, weights, list(inputs), *later])).hexdigest()


def chunk_key(chunk: Chunk) -> str:
    """Return the text under which a chunk enters its fingerprint."""
    return f"chunk {chunk.index} shot {chunk.shot} frames {chunk.start}-{chunk.stop} {chunk.head} {chunk.tail}"


INPUTS: Mapping[str, tuple[str, ...]] = {
    "flow": ("split",),
    "sample": ("split", "flow"),
    "decode": ("split", "flow", "sample"),
}
"""Which stages' folders a chunk stage reads."""

CHUNK_STAGES = tuple(INPUTS)
STAGES = ("split", *CHUNK_STAGES, "assemble")


_IMAGES = "images "
_OF_IMAGES = ("sequence_rate",)
"""Settings of split that decide the bytes of folders of images alone."""


def content_of(sha256: str, images: bool) -> str:
    """Return what a recipe knows a source's content by; ``images``: whether it is a folder of images."""
    return f"{_IMAGES if images else ''}{sha256}"


class Identity:
    """What the fingerprints of one stage are made of: name, parameters, weights' digest, revision of the code.

    Taken from a stage once, on the driver, so that no worker reads gigabytes of weights to name its artifacts.
    """

    def __init__(self, stage: str, parameters: Mapping[str, Any], weights: str, revision: int = 1) -> None:
        self.stage = stage
        self.weights = weights
        self.revision = revision
        self.parameters = _plain(parameters, f"{stage}.parameters")

    @classmethod
    def of(cls, stage: Stage[Any, Any]) -> Identity:
        """Read all of it off a stage that has not been set up."""
        return cls(stage.name, stage.parameters, stage.weights_digest, stage.revision)

    def __call__(self, *inputs: str) -> str:
        """Return the fingerprint of this stage's output for these inputs."""
        return fingerprint(self.stage, self.parameters, self.weights, inputs, self.revision)


class Recipe:
    """The identities of all five stages: names every artifact that the run can make.

    Besides the artifacts of chunks there is, for each stage, the *plan* of a video: the same chain with the whole
    video in a chunk's place. The plan of ``split`` names the list of chunks; the plan of ``assemble`` names the
    published video. Both are known before a frame has been read.
    """

    def __init__(self, identities: Mapping[str, Identity]) -> None:
        if set(identities) != set(STAGES):
            raise ValueError(f"a recipe needs the stages {', '.join(STAGES)}, not {', '.join(identities)}")
        self.identities = dict(identities)
        split = identities["split"]
        usual = {name: SplitConfig().model_dump(mode="json")[name] for name in _OF_IMAGES if name in split.parameters}
        # As with what they are by default, so that the names of before are those of now.
        self._of_files = Identity("split", {**split.parameters, **usual}, split.weights, split.revision)

    def made_with(self) -> dict[str, dict[str, Any]]:
        """Return stage -> what decides its bytes besides settings and inputs: ``revision`` and ``weights``' digest."""
        return {name: {"revision": each.revision, "weights": each.weights} for name, each in self.identities.items()}

    def chunk(self, content: str, chunk: Chunk) -> dict[str, str]:
        """Return stage -> fingerprint for one chunk of the video with this content (``content_of``)."""
        return self._chain(content, chunk_key(chunk))

    def plan(self, content: str, name: str = "") -> dict[str, str]:
        """Return stage -> plan fingerprint of the video with this content, published under the file name ``name``."""
        prints, sha256 = self._chain(content, "video"), content.removeprefix(_IMAGES)
        prints["assemble"] = self.identities["assemble"](sha256, prints["split"], prints["decode"], f"name {name}")
        return prints

    def _chain(self, content: str, part: str) -> dict[str, str]:
        split = self.identities["split"] if content.startswith(_IMAGES) else self._of_files
        prints = {"split": split(content.removeprefix(_IMAGES), part)}
        for stage, inputs in INPUTS.items():
            prints[stage] = self.identities[stage](*(prints[name] for name in inputs))
        return prints
