"""The commands of README and docs/, run page by page as they stand there, on clips of a few frames.

Networks are tiny, nothing starts Ray (``quick_reelift``), and the bucket is that of a server of the tests. The first
page is run with the shipped networks (test_manual_runs). What is not run is listed, with what runs it instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto.server", reason="moto[server] is not installed")
from manual import Block, blocks, pages
from manual_commands import run
from manual_desk import Desk, desk_at, furnish

pytestmark = pytest.mark.slow

BLOCKS_LEFT_OUT = {
    "-m venv": "it installs, as .ci/run does before every test",
    "-m pytest": "these tests",
    "apt-get": "it installs",
    "ray up": "it wants a cloud: tests/test_cluster_yaml.py, tests/jobs/test_ray_job_submit.py",
    "ray job submit": "it wants a cluster: tests/jobs/test_ray_job_submit.py",
    "convert-checkpoint": "it wants the published files: tests/jobs/test_convert_checkpoint.py",
    "prepare-data": "data for hours of training: tests/training/test_prepare.py, tests/training/test_own_videos.py",
    "reelift train": "hours: tests/training/test_stages.py",
    "jobs.train": "hours: tests/training/test_stages.py, tests/training/test_averaging.py",
    "benchmarks.": "up to hours: tests/benchmarks/",
}
"""Words of blocks that are only parsed (test_every_command) -> why, and what runs them."""
LINES_LEFT_OUT = {
    "pip install": "it installs",
    "ray down": "it wants a cloud",
    "reelift evaluate ...": "a line to be filled in: tests/jobs/test_evaluate.py",
}
BEFORE = {
    "README.md": "reelift demo",
    "evaluation.md": "reelift restore name.mkv -o restored -w run1",
    "report.md": "reelift restore tapes/ -o restored -w run1; reelift restore s3://bucket/tapes/ -o s3 -w s3://bucket/run1/",
    "fine-tuning.md": "cp -r models/mgld-vsr my-model",
}
"""What a page takes for granted: done beforehand."""
MADE = {
    "README.md": (
        "restored/1994-reel.mkv",
        "run1/report/index.html",
        "sample/00-tape3.png",
        "out/tape.mkv",
        "mine/tape.mkv",
    ),
    "choosing-presets.md": ("look/00-tape3.png", "ways/full.run/report/index.html", "restored/1994-reel.mkv"),
    "evaluation.md": ("rows.png",),
    "fine-tuning.md": ("after.run/report/index.html",),
    "interlaced-tapes.md": ("restored/reel7.mkv", "restored-3/film3.mkv", "run1/report/index.html"),
    "invention.md": ("careful/tape.mkv", "middle/tape.mkv", "careful.run/report/index.html"),
    "library-on-s3.md": ("pages/index.html",),
    "operations.md": ("restored/reel.mkv",),
    "planning.md": ("calibration.json", "look/00-tape3.png"),
    "report.md": ("run1/report/index.html", "pages/index.html"),
    "resuming.md": ("restored/broken.mkv", "run1/report/index.html"),
    "spot-gpus.md": ("calibration.json",),
}
"""Page -> what must be there when its commands have been run."""


def to_run(page: Path) -> list[Block]:
    """The blocks of a page without what is left out."""
    found = []
    for block in blocks(page):
        if not any(words in block.text for words in BLOCKS_LEFT_OUT):
            kept = [line for line in block.text.splitlines() if not any(words in line for words in LINES_LEFT_OUT)]
            found.append(Block(block.page, block.line, "\n".join(kept)))
    return [block for block in found if block.text.strip()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Desk]:
    with desk_at(tmp_path_factory.mktemp("clips"), model) as found:
        yield found


@pytest.mark.parametrize("name", MADE)
def test_the_commands_of_a_page_do_what_it_says(desk: Desk, name: str, tmp_path: Path) -> None:
    (page,) = [page for page in pages() if page.name == name and (name != "README.md" or page.parent.name != "docs")]
    furnish(desk, tmp_path, broken=name == "resuming.md", long=name == "choosing-presets.md")
    if name in BEFORE:
        run(Block(name, 0, BEFORE[name]), tmp_path, desk.surroundings)
    for block in to_run(page):
        run(block, tmp_path, desk.surroundings)
    assert [made for made in MADE[name] if not (tmp_path / made).is_file()] == []


def test_every_block_is_run_or_left_out_for_a_reason() -> None:
    assert {page.name for page in pages() if to_run(page)} == {*MADE, "first-restoration.md"}
    texts = [block.text for page in pages() for block in blocks(page)]
    for words in (*BLOCKS_LEFT_OUT, *LINES_LEFT_OUT):
        assert any(words in text for text in texts), f"nothing is left out for {words!r} any more"
