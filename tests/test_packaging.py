"""What is read at run time beside the modules is installed with them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_READ = {".md", ".txt"}


@pytest.mark.parametrize("package", ["models", "stages", "pipeline", "jobs", "training", "evaluation", "report"])
def test_files_beside_the_modules_are_package_data(package: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packed = {path for pattern in settings.get(package, []) for path in (ROOT / package).glob(pattern)}
    there = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert {path for path in there - packed if path.suffix not in NOT_READ} == set()
