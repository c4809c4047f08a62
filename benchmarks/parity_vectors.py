"""One file of golden vectors, and the verdicts on what it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

WEIGHTS, INPUT, OUTPUT = "weights.", "in.", "out."


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        component: file and tensor, or what else was compared.
        error: largest absolute difference, or what the tolerance says it is.
        tolerance: in words.
        passed: whether the error is within it.
        note: what went wrong, where a number does not say it.
    """

    component: str
    error: float
    tolerance: str
    passed: bool
    note: str = ""


class Vectors:
    """``NAME.safetensors`` with ``NAME.json``; it remembers which tensors were asked for.

    Args:
        folder: where both are.
        name: without suffix.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        path, table = folder / f"{name}.safetensors", folder / f"{name}.json"
        self._tensors: dict[str, Tensor] = load_file(path, str(torch.get_default_device())) if path.is_file() else {}
        self.facts: dict[str, Any] = json.loads(table.read_text()) if table.is_file() else {}
        self.config: dict[str, Any] = self.facts.get("config", {})
        self._asked: set[str] = set()

    def weights(self) -> dict[str, Tensor]:
        """All weights under their official keys; stored in 8 bits to save space, meant as float32.

        Who asks for them must find a place for every one.
        """
        found = {key: value for key, value in self._tensors.items() if key.startswith(WEIGHTS)}
        self._asked |= found.keys()
        return {
            key.removeprefix(WEIGHTS): value.float() if value.is_floating_point() else value
            for key, value in found.items()
        }

    def names(self, prefix: str) -> list[str]:
        """What there is under ``in.`` or ``out.``, without that."""
        return [key.removeprefix(prefix) for key in sorted(self._tensors) if key.startswith(prefix)]

    def has(self, key: str) -> bool:
        """Whether there is a tensor of this full name."""
        return key in self._tensors

    def input(self, name: str) -> Tensor:
        """An input; KeyError if there is none of that name."""
        return self._get(INPUT + name)

    def output(self, name: str) -> Tensor:
        """An expected output; KeyError if there is none of that name."""
        return self._get(OUTPUT + name)

    def _get(self, key: str) -> Tensor:
        self._asked.add(key)
        if key not in self._tensors:
            raise KeyError(f"{self.name} has no {key}")
        return self._tensors[key]

    def forgotten(self) -> list[str]:
        """Weights, inputs and outputs that nothing asked for: those were not checked."""
        return sorted(key for key in self._tensors if key not in self._asked)

    def misstated(self) -> Iterator[str]:
        """What the json's table of tensors says that is not so: a line for each that is missing or of another shape."""
        for key, (shape, *_) in self.facts.get("tensors", {}).items():
            if key not in self._tensors:
                yield f"{key} is listed in the json, but is not there"
            elif list(self._tensors[key].shape) != list(shape):
                yield f"{key} has shape {list(self._tensors[key].shape)}, but is listed in the json as {shape}"

    def stored(self, name: str, x: Tensor) -> Tensor:
        """Of ``x [n, ...]`` only the frames that the name says are stored, all if it says nothing.

        Where the expected tensor has no dimension of frames, neither has the result.
        """
        frames = self.frames(name)
        part = x[frames] if frames else x
        return part[0] if len(frames) == 1 and self.output(name).ndim < x.ndim else part

    @staticmethod
    def frames(key: str) -> list[int]:
        """The frames that a name like ``x_frames_0_4`` or ``x_frame0`` says are stored; [] if it says nothing."""
        found = re.search(r"_frames?((?:_?\d+)+)$", key)
        return [int(number) for number in re.findall(r"\d+", found[1])] if found else []


def close(component: str, found: Tensor, expected: Tensor, tolerance: float) -> Row:
    """Every element within ``tolerance``."""
    return _verdict(component, found, expected, tolerance, relative=False)


def close_relatively(component: str, found: Tensor, expected: Tensor, tolerance: float) -> Row:
    """Every element within ``tolerance`` times its own size."""
    return _verdict(component, found, expected, tolerance, relative=True)


def _verdict(component: str, found: Tensor, expected: Tensor, tolerance: float, relative: bool) -> Row:
    words = f"{tolerance:g} relative" if relative else f"{tolerance:g}"
    if found.shape != expected.shape:
        note = f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
        return Row(component, float("inf"), words, False, note)
    # On the CPU, which has double precision everywhere.
    found, expected = found.cpu().double(), expected.cpu().double()
    error = (found - expected).abs()
    if relative:
        # Where nothing but 0 will do, 0 / 0 is no error.
        error = torch.where(error == 0, 0.0, error / expected.abs())
    worst = float(error.max()) if error.numel() else 0.0
    return Row(component, worst, words, worst <= tolerance)


def outliers_allowed(component: str, found: Tensor, expected: Tensor, tolerance: float, bound: float) -> Row:
    """99.9 % of the elements within ``tolerance``, the rest within ``bound``: signs in the guidance may flip."""
    words = f"{tolerance:g} for 99.9 %, else {bound:.2g}"
    if found.shape != expected.shape:
        return _verdict(component, found, expected, tolerance, relative=False)
    error = (found.cpu().double() - expected.cpu().double()).abs()
    share = float((error <= tolerance).double().mean())
    worst = float(error.max())
    note = "" if worst <= tolerance else f"{100 * (1 - share):.3f} % beyond {tolerance:g}"
    return Row(component, worst, words, share >= 0.999 and worst <= max(bound, tolerance), note)


def exact(component: str, found: object, expected: object) -> Row:
    """Equal: tensors in every element (the error counts those that are not), anything else as a whole."""
    if isinstance(found, Tensor) and isinstance(expected, Tensor):
        if found.shape != expected.shape:
            return _verdict(component, found, expected, 0.0, relative=False)
        different = int((found.cpu().double() != expected.cpu().double()).sum())
        return Row(component, float(different), "exact", different == 0, f"{different} differ" if different else "")
    same = found == expected
    return Row(component, 0.0 if same else 1.0, "exact", same, "" if same else f"{found} instead of {expected}")


def placed(v: Vectors) -> Row:
    """The converter has found a place for every weight of the file, and a weight for every place."""
    return Row(f"{v.name} weights", 0.0, "all placed", True)


def failed(component: str, note: str) -> Row:
    """Something could not be compared at all."""
    return Row(component, float("nan"), "", False, note)


def format_table(rows: Iterable[Row]) -> str:
    """The rows in columns."""
    cells = [("component", "largest error", "tolerance", "")]
    for row in rows:
        verdict = "pass" if row.passed else "FAIL"
        cells.append((row.component, f"{row.error:.3g}", row.tolerance, f"{verdict}  {row.note}".rstrip()))
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {error:>{widths[1]}}  {tolerance:<{widths[2]}}  {verdict}".rstrip()
        for name, error, tolerance, verdict in cells
    )


def to_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows as plain values; an error that is no number is null."""
    return [asdict(row) | {"error": row.error if isfinite(row.error) else None} for row in rows]
