"""What is on the pages of README and docs/: commands, configurations, links, messages."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from whole_jobs import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_OWN = re.compile(r"(reelift|python3? -m (jobs|benchmarks|pytest))\b")
_INLINE = re.compile(r"`((?:reelift|python -m (?:jobs|benchmarks)\.\w+) [^`]+)`")
_CHOICE = re.compile(r"\[(--[\w-]+ )([^\s|\]]+)(?:\|[^\s\]]+)*\]")
"""``[--option one|two]`` of a synopsis, of which the first is taken."""


def pages() -> list[Path]:
    """README and all of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """Lines of shell on a page."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Shell blocks, and blocks without a language that begin with a command of ours."""
    text, found = page.read_text(), []
    for match in _BLOCK.finditer(text):
        shell = match[1] in ("sh", "bash", "shell", "console") or (not match[1] and _OWN.match(match[2]))
        if shell:
            lines = _CHOICE.sub(r"\1\2", match[2])
            found.append(Block(page.name, text[: match.start()].count("\n") + 2, lines))
    return found


def configurations(page: Path) -> list[Block]:
    """Blocks of YAML that are, or are part of, a configuration."""
    text = page.read_text()
    return [
        Block(page.name, text[: match.start()].count("\n") + 2, match[2])
        for match in _BLOCK.finditer(text)
        if match[1] == "yaml"
    ]


def links(page: Path) -> list[str]:
    """Where a page's links to files lead."""
    found = re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", page.read_text()))
    return [link for link in found if "://" not in link and not link.startswith("#")]


def messages(page: Path) -> list[str]:
    """First cells of the tables with the heading "message", without backticks."""
    found, inside = [], False
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        inside = line.startswith("|") and (inside or cells[0] == "message")
        if inside and cells[0].startswith("`"):
            found.append(cells[0].split("`")[1])
    return found


def strings_of_the_source() -> list[str]:
    """All texts in our own code, with a blank sign where something is filled in."""
    found = []
    for package in ("pipeline", "stages", "jobs", "models", "evaluation", "report"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "\0" for p in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return found


def inline(page: Path) -> list[Block]:
    """Commands of ours between backticks in running text; they may leave things out."""
    text = _BLOCK.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())
    return [Block(page.name, text[: m.start()].count("\n") + 1, " ".join(m[1].split())) for m in _INLINE.finditer(text)]
