"""``report`` after a whole job: pages with frames of both, figures, seams and what failed; opened in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from headless import keep_screenshot, open_browser, resize
from whole_jobs import ROOT, Line, environment, write_clip

from jobs.report import report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with library, restored and workspace: a video with a cut and a seam, and one that is none."""
    root = tmp_path_factory.mktemp("report")
    write_clip(root / "library" / "two shots.mkv", frames=20, cut=12, audio="flac")
    (root / "library" / "none.mp4").write_text("not a video")
    cuts = {"split.detector": "content", "split.threshold": "65"}  # noise that moves: every frame is unlike the last
    done = Line([root / "library"], root / "restored", root / "workspace", model, settings=cuts).run()
    assert done.returncode == 2, done.stderr
    return root


def make(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "jobs.report", *map(str, words), "--processes", "1"]
    return subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.fixture(scope="module")
def pages(job: Path) -> Path:
    done = make(job / "workspace")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(job / "workspace/report/index.html")
    return job / "workspace" / "report"


def test_the_page_of_a_video_has_frames_figures_and_seams(pages: Path) -> None:
    (page,) = (pages / "videos").glob("two-shots-*.html")
    data = data_of(page)
    assert (data["width"], data["height"]) == (96, 64)
    assert data["points"]["frame"] == list(range(20))
    assert data["points"]["shot"] == [0] * 12 + [1] * 8
    assert sum(data["points"]["seam"]) == 1, "chunks of at most 8 that share 2: 0-8, 6-12; 12-20"
    assert [chart["title"] for chart in data["charts"]] == ["Consistency", "Warping error", "Sharpness"]
    warping = data["charts"][1]["series"][0]["values"]
    assert [number for number, value in enumerate(warping) if value is None] == [0, 12], "none at a cut"
    assert len(data["pictures"]) == 8 and all(picture["before"] for picture in data["pictures"])
    text = page.read_text()
    published = sorted(path.name for path in (pages.parents[1] / "restored").iterdir())
    assert len(re.findall(r"SHA-256 [0-9a-f]{64}", text)) == len(published)
    assert all(f"<dt>{name}</dt>" in text for name in published)
    assert "steps: 2" in text and "chunk_frames: 8" in text and "reelift-provenance/1" in text


def test_pictures_are_the_frames_to_the_bit(job: Path, pages: Path) -> None:
    import base64

    import cv2
    import numpy as np

    from evaluation.clip import Clip

    (page,) = (pages / "videos").glob("two-shots-*.html")
    picture = data_of(page)["pictures"][0]
    for side, path in (("after", "restored/two shots.mkv"), ("before", "library/two shots.mkv")):
        code = np.frombuffer(base64.b64decode(picture[side].partition(",")[2]), np.uint8)
        shown = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]
        frame = list(Clip.open(job / path).frames())[picture["frame"]]
        assert np.array_equal(shown, (frame.clip(0, 1) * 255).round().astype(np.uint8))


def test_again_makes_nothing_and_without_artifacts_the_source_is_read(
    job: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(str(job / "workspace"), processes=1) == 0
    assert "0 pages made now" in capsys.readouterr().err
    copy = tmp_path / "workspace"
    shutil.copytree(job / "workspace", copy)
    for stage in ("split", "flow", "sample", "decode"):
        shutil.rmtree(copy / "artifacts" / stage)
    assert report(str(copy), str(tmp_path / "pages"), only="two*", processes=1) == 0
    assert "1 page made now" in capsys.readouterr().err
    (before,), (after,) = ((folder / "videos").glob("two-*.html") for folder in (pages, tmp_path / "pages"))
    assert data_of(before)["pictures"] == data_of(after)["pictures"]


def test_a_wrong_call_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(str(tmp_path)) == 1
    assert "no workspace is there" in capsys.readouterr().err


def test_a_browser_shows_them(pages: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        resize(browser, 1280, 900)
        browser.get(f"file://{pages}/index.html")
        cells = "return [...document.querySelectorAll('#rows tr')].map(r => r.innerText)"
        first, second = browser.execute_script(cells)
        assert first.startswith("Failed") and "cannot be opened as a video" in first
        assert second.startswith("Restored") and "two shots" in second
        keep_screenshot(browser, "job-index")
        browser.find_element("link text", "two shots").click()
        wide = "const i = document.querySelector('.compare .after'); return i.decode().then(() => i.naturalWidth)"
        assert browser.execute_script(wide) == 96
        keep_screenshot(browser, "job-video")
        browser.find_element("link text", "All videos").click()
        browser.find_element("link text", "none").click()
        assert "cannot be opened as a video" in browser.find_element("css selector", "#failed ~ ul").text
        keep_screenshot(browser, "job-failed")
        assert [entry["message"] for entry in browser.get_log("browser")] == []
