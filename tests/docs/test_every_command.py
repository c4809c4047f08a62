"""Every command in README and docs/ is one that the real programs take, every configuration is valid, every link leads
somewhere, and every message that is explained exists. Nothing is run here (see test_manual_runs)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from manual import Block, blocks, configurations, inline, links, messages, pages, strings_of_the_source
from manual_commands import check, options_of, words_of
from whole_jobs import ROOT

from pipeline.config import load_config

BLOCKS = [block for page in pages() for block in blocks(page)]
INLINE = [block for page in pages() for block in inline(page) if "benchmarks." not in block.text]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_of_commands_is_taken(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = words_of(block, tmp_path)
    assert commands, f"{block}: no command was found in it"
    monkeypatch.setenv("COLUMNS", "200")
    for words in commands:
        try:
            check([word for word in words if word != "..."])
        except (Exception, SystemExit) as error:
            if "..." in words and "issing" in str(error):  # what the dots stand for
                continue
            raise AssertionError(f"{block}: {' '.join(words)}: {error!r} {getattr(error, 'message', '')}") from error


@pytest.mark.parametrize("block", INLINE, ids=str)
def test_a_command_in_running_text_exists(block: Block) -> None:
    given, known = options_of(block.text)
    assert set(given) <= known, f"{block}: `{block.text}`"


@pytest.mark.parametrize("block", [block for page in pages() for block in configurations(page)], ids=str)
def test_a_configuration_is_valid(block: Block, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(block.text)
    load_config(tmp_path / "shown.yaml")


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {link}"
        for page in pages()
        for link in links(page)
        if not (page.parent / link.partition("#")[0]).exists()
    ]
    assert broken == []


def test_messages_that_are_explained_exist() -> None:
    texts, explained = strings_of_the_source(), messages(ROOT / "docs" / "troubleshooting.md")
    assert len(explained) > 25
    for message in explained:
        parts = [re.escape(part.strip()) for part in message.split("…") if part.strip()]
        pattern = re.compile(".*".join(parts), re.S)
        assert any(pattern.search(text) for text in texts), f"no message says `{message}`"


def test_there_are_commands_to_look_at() -> None:
    assert len(BLOCKS) > 15 and len(INLINE) > 3


@pytest.mark.parametrize(
    "wrong",
    [
        ["reelift", "restor", "x"],
        ["reelift", "restore", "x", "--output", "y"],
        ["reelift", "restore", "x", "--output", "y", "--workspace", "z", "--presett", "fast"],
        ["reelift", "config", "templat"],
        ["python", "-m", "jobs.status"],
        ["python", "-m", "benchmarks.seams", "--sizes", "1"],
        ["ray", "job", "submit", "--working-dir", ".", "--", "python", "-m", "jobs.restore", "x"],
        ["pip", "install", "--no-such-option", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_would_be_found(wrong: list[str]) -> None:
    with pytest.raises((Exception, SystemExit)):
        check(wrong)
