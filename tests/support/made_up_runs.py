"""Accounts of runs that never were, for pages with more videos, or larger ones, than a test can restore."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Artifact
from pipeline.fixity import ArtifactFile
from pipeline.tally import Failure, Tally
from report.account import RunAccount, VideoAccount
from report.index_page import index_page, row_of
from report.looking import Looks
from report.measuring import FrameFigures, by_shot
from report.pictures import data_url, thumbnail
from report.settings import ReportSettings
from report.shots import Shot
from report.video_page import video_page

SHOTS = [Shot(0, 0, 24, ((9, 12),)), Shot(1, 24, 40)]


ORIGIN = f"/archive/{'a_name_without_a_break_' * 9}"
"""A word that is wider than a page."""


def big_index(videos: int, workspace: str = "/run") -> bytes:
    """The page of a run of so many videos, of which every seventh failed and every eleventh is left."""
    tally, accounts, rows = Tally(), [], []
    for number in range(videos):
        state = "failed" if number % 7 == 3 else "left" if number % 11 == 5 else "done"
        account = VideoAccount(f"/library/reel {number:05}.mov", f"reel {number:05}", "", "", 10**9, "", state)
        if state == "failed":
            why = f"reel {number:05}.mov: the file is empty; fetch it again from {ORIGIN}"
            failure = Failure("split", account.source, "", -1, 1, "failed", "ItemError", why)
            account.failures.append(failure)
            tally.failures[("split", account.source, -1)] = failure
        accounts.append(account)
    accounts.sort(key=lambda account: (("failed", "left", "done").index(account.state), account.output))
    for number, account in enumerate(accounts):
        found = {
            "frames": 1000 + number,
            "shots": 9,
            "chunks": 40,
            "consistency": 30 + number % 20,
            "flags": number % 3,
        }
        rows.append(row_of(account, f"reel-{number}", found if account.state == "done" else {"flags": 0}))
    failed = len(tally.failures)
    stage: dict[str, Any] = {"done": videos - failed, "failed": failed, "left": 0, "seconds": 1.0}
    stage["standing"] = {"done": videos, "failed": failed, "total": videos}
    return index_page(
        RunAccount(accounts, tally, 1), rows, {"workspace": workspace, "stages": {"split": stage}}, {}, "seed: 1"
    )


def big_video(width: int = 1440, height: int = 1080, **account: Any) -> bytes:
    """The page of a video with frames of this size, two shots and a seam."""
    random = np.random.default_rng(2)
    coarse = random.random((height // 8, width // 8, 3), np.float32)
    sharp = np.clip(coarse.repeat(8, 0).repeat(8, 1) + random.normal(0, 0.05, (height, width, 3)), 0, 1)
    before = _bytes(coarse.repeat(2, 0).repeat(2, 1))
    looks = Looks(times=tuple(range(0, 1600, 40)))
    looks.facts = {"width": width, "height": height, "sar": 1.0, "input width": width // 4, "input height": height // 4}
    for frame, shot, why in ((4, 0, "middle of the shot"), (9, 0, "seam"), (30, 1, "furthest from its input")):
        picture = {"frame": frame, "shot": shot, "why": [why], "small": thumbnail(sharp.astype(np.float32))}
        looks.pictures.append({**picture, "before": data_url(before), "after": data_url(_bytes(sharp), 90)})
    looks.figures = _figures(random)
    looks.shots = by_shot(looks.figures, SHOTS)
    strip = random.integers(0, 255, (40, width, 3), np.uint8)
    looks.profile = {"row": height // 2, "first": 0, "stop": 40, "width": width}
    looks.profile |= {"input": data_url(strip), "restored": data_url(strip)}
    told = {
        "downscale_db": 41.5,
        "ciede2000": 1.25,
        "residual_percent": [[0.0, 0.0], [0.0, 0.0]],
        "beyond_source_percent": [[0.0, 3.0], [0.0, 1.5]],
        "flagged": True,
    }
    looks.provenance = {"shots": [{"shot": 1, "first_frame": 24, "end_frame": 40, **told}]}
    record = Artifact("assemble", "f" * 64, (ArtifactFile("reel.mkv", 5, "0" * 64),), {"frames": 40})
    given = {"source": "/library/reel.mov", "output": "reel", "state": "done", **account}
    video = VideoAccount(**{"video": "v", "sha256": "5" * 64, "size": 7, "version": "", **given})
    return video_page(video, SHOTS, record, looks, "seed: 1", ReportSettings())


def _bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    return (picture * 255).round().astype(np.uint8)


def _figures(random: np.random.Generator) -> FrameFigures:
    """40 frames, calm but for the seam of the first shot, which can be seen."""
    figures = FrameFigures(list(range(40)))
    figures.consistency = [45.0 + value for value in random.random(40)]
    figures.consistency[30] = 25.0
    figures.sharpness, figures.input_sharpness = [14.0] * 40, [4.0] * 40
    figures.warping, figures.input_warping = [0.5] * 40, [0.2] * 40
    figures.warping[9:13] = [2.0] * 4
    figures.warping[0] = figures.input_warping[0] = float("nan")
    return figures
