"""Every public module, class, function and method says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from whole_jobs import ROOT

PACKAGES = ("jobs", "pipeline", "stages", "models", "training", "evaluation", "report", "benchmarks")


def undocumented(node: ast.AST, where: str) -> Iterator[str]:
    """The public names at and below a node that have no docstring."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            if not ast.get_docstring(child):
                yield f"{where}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{where}.{child.name}")


@pytest.mark.parametrize("package", PACKAGES)
def test_all_public_names_are_documented(package: str) -> None:
    missing = []
    for path in sorted((ROOT / package).rglob("*.py")):
        text = path.read_text()
        module = ast.parse(text)
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if text.strip() and not ast.get_docstring(module):
            missing.append(name)
        missing += undocumented(module, name)
    assert missing == []


def test_a_name_without_a_word_would_be_found() -> None:
    text = 'class A:\n    """a"""\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...\n'
    assert list(undocumented(ast.parse(text), "m")) == ["m.A.b", "m.d"]
