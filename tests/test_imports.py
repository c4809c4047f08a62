"""Imports point down only (docs/architecture.md): jobs, then report, then pipeline, then stages, then models."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
BELOW = {
    "models": set(),
    "stages": {"models"},
    "training": {"stages", "models"},
    "evaluation": {"stages", "models"},
    "pipeline": {"stages", "models"},
    "report": {"pipeline", "evaluation", "stages", "models"},
    "jobs": {"report", "pipeline", "training", "evaluation", "stages", "models"},
}
OURS = {*BELOW, "benchmarks", "tests"}
BESIDE_MODELS = {"torch", "diffusers", "safetensors", "numpy"}
STANDARD = sys.stdlib_module_names


def modules() -> dict[str, ast.Module]:
    """Dotted name -> syntax of all modules of the house."""
    paths = [path for house in BELOW for path in (ROOT / house).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return {name: ast.parse(path.read_text("utf-8")) for name, path in zip(names, paths, strict=True)}


def imported(tree: ast.AST, at_once: bool = False) -> Iterator[str]:
    """Dotted names that a module imports: wherever it says so, or only what it needs to be imported itself."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports are absolute"
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif not at_once or not (isinstance(node, ast.FunctionDef) or _for_types_alone(node)):
            yield from imported(node, at_once)


def _for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def wrong(name: str, tree: ast.Module) -> list[str]:
    """What a module may not import."""
    house = name.partition(".")[0]
    tops = {each: each.partition(".")[0] for each in imported(tree)}
    found = [each for each, top in tops.items() if top in OURS - {house, *BELOW[house]}]
    found += [each for each, top in tops.items() if top == "ray" and house != "pipeline"]
    if house == "models":
        found += [each for each, top in tops.items() if top not in {house, *OURS, "ray", *BESIDE_MODELS, *STANDARD}]
    return found


def test_imports_point_down_and_only_the_pipeline_imports_ray() -> None:
    assert {name: found for name, tree in modules().items() if (found := wrong(name, tree))} == {}


def test_what_points_up_is_found() -> None:
    upward = "def f():\n    import ray.data\n    from pipeline.run import run\n    from stages import contract"
    assert wrong("stages.split.cuts", ast.parse(upward)) == ["pipeline.run", "pipeline.run.run", "ray.data"]
    assert wrong("pipeline.run", ast.parse(upward)) == []
    assert wrong("models.vae", ast.parse("import json\nimport av\nimport torch.nn")) == ["av"]


def test_no_module_needs_itself_to_be_imported() -> None:
    every = modules()
    needs = {name: {each for each in imported(tree, at_once=True) if each in every} for name, tree in every.items()}
    TopologicalSorter(needs).prepare()  # raises CycleError, which names the modules
