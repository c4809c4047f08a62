"""Write the report of a workspace: ``index.html``, ``videos/*.html``, and ``pages.json``, which remembers what each
page was made of, so that a report that is made again only makes what has changed."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from pipeline.artifacts import Artifact, Artifacts
from pipeline.publish import STAGE
from pipeline.published import Publication
from pipeline.rows import SourceRow
from pipeline.side_by_side import SideBySide
from pipeline.sources import InputError
from pipeline.status import status
from pipeline.storage import Storage, StorageError
from pipeline.workspace import RUN, Workspace
from report.account import VideoAccount, read_account
from report.footage import Input, StoredFrames
from report.index_page import index_page, row_of
from report.looking import Looks, look
from report.memory import INDEX, kept, recall, remember
from report.rendering import appearance
from report.settings import ReportSettings
from report.shots import Shot, shots_of
from report.video_page import summary, video_page

FOLDER = "report"
REMEMBERED = 200
Progress = Callable[[int, int, str], None]
"""Called with (pages done, pages in all, video) after each page."""


@dataclass(frozen=True, slots=True)
class BuiltReport:
    """What was written.

    Attributes:
        index: address of the page of the run.
        videos: how many videos it lists.
        made: pages of videos that were made now; the others were there already.
        problems: (video, what could not be shown and why).
    """

    index: str
    videos: int
    made: int
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """One page to make: everything that another process needs for it."""

    account: VideoAccount
    page: str
    shots: list[Shot]
    record: Artifact | None
    key: str


def build_report(
    place: str | Path,
    target: str | Path | None = None,
    settings: ReportSettings | None = None,
    only: str | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> BuiltReport:
    """Write the report of a workspace, also of one that is still being worked on.

    Args:
        place: folder or URL of the workspace.
        target: folder or URL for the pages; default is ``report/`` in the workspace.
        settings: how much of each video is shown and measured.
        only: pattern (``*`` and ``?``) of the videos whose pages are made: their place below the output, or the path
            of their source or its end; the table of all videos lists the others as they were.
        processes: how many pages are made at once.
        progress: called after each page.

    Raises:
        StorageError: if there is no workspace, or the target cannot be written or has a page of somebody else.
        InputError: if there is no such video.
    """
    workspace, settings = Workspace(place), settings or ReportSettings()
    if not workspace.storage.exists("manifest"):
        raise StorageError(f"{workspace.url}: no workspace is there; give the folder that restore was given")
    workspace.told()
    output = Storage(target) if target is not None else Storage(f"{workspace.url}/{FOLDER}")
    output.prepare()
    run = read_account(workspace.storage)
    if only is not None and not any(_is_meant(video, only) for video in run.videos):
        raise InputError(f"no video of this run is called {only}; name one as 'reelift status' or the report does")
    run_yaml = workspace.storage.read(RUN).decode()
    memory = recall(output)
    works = [_work(account, workspace, settings, run_yaml) for account in run.videos]
    wanted = [
        work
        for work in works
        if (only is None or _is_meant(work.account, only))
        and not (memory.get(work.page, {}).get("key") == work.key and output.is_file(f"videos/{work.page}.html"))
    ]
    make = partial(_make, workspace.url, output.url, settings, run_yaml)
    with kept(memory, output):
        for count, (work, found) in enumerate(_all(make, wanted, processes), start=1):
            memory[work.page] = {"key": work.key, "found": found}
            if count % REMEMBERED == 0:  # so that a report that is killed goes on
                remember(output, memory)
            if progress is not None:
                progress(count, len(wanted), work.account.output)
    rows = [row_of(work.account, work.page, memory.get(work.page, {}).get("found", {})) for work in works]
    page = index_page(run, rows, status(workspace.storage), workspace.settings(), run_yaml)
    output.put(INDEX, page)
    remember(output, memory)
    problems = [(row["name"], line) for row in rows for line in row["problems"]]
    return BuiltReport(f"{output.url}/{INDEX}", len(works), len(wanted), tuple(problems))


def _is_meant(video: VideoAccount, pattern: str) -> bool:
    end = "/".join(video.source.split("/")[-pattern.count("/") - 1 :])
    pattern = pattern.replace("[", "[[]")  # brackets belong to names, "tape [1].mov"
    return any(fnmatch(name, pattern) for name in (video.output, video.source, end))


def _work(account: VideoAccount, workspace: Workspace, settings: ReportSettings, run_yaml: str) -> _Work:
    shots = shots_of(account.content.chunk_rows())
    record = None
    if account.published:
        record = Artifacts(workspace.storage, Path(tempfile.gettempdir())).record(STAGE, account.published.plan)
    what_it_shows = [
        *(account.source, account.output, account.state, account.sha256, account.seconds()),
        *(account.damage, account.left_out, account.decoded_sound, len(account.troubles()), str(account.published)),
        record.to_json().decode() if record else "",
        *(
            [asdict(failure) for failure in account.failures],
            [asdict(shot) for shot in shots],
            settings.model_dump(),
            run_yaml,
        ),
        appearance(),
    ]
    key = hashlib.sha256(json.dumps(what_it_shows).encode()).hexdigest()
    return _Work(account, page_name(account), shots, record, key)


def page_name(account: VideoAccount) -> str:
    """Name of a video's page without its suffix: what can be read of its place, and a digest that makes it unique."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", account.output).strip("-")[:60].strip("-").lower()
    digest = hashlib.sha256(account.source.encode()).hexdigest()[:8]
    return f"{readable}-{digest}" if readable else digest


def _all(
    make: Callable[[_Work], dict[str, Any]], works: list[_Work], processes: int
) -> Iterator[tuple[_Work, dict[str, Any]]]:
    if processes <= 1 or len(works) <= 1:
        yield from ((work, make(work)) for work in works)
        return
    with SideBySide(min(processes, len(works)), _one_thread) as pool:
        try:
            pending = {pool.submit(make, work): work for work in works}
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BrokenProcessPool:
            raise StorageError(
                "a process that made pages was ended, for want of memory most often; the same line again goes on, with "
                "--processes 1 at one page at a time"
            ) from None


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _make(place: str, target: str, settings: ReportSettings, run_yaml: str, work: _Work) -> dict[str, Any]:
    workspace, output = Workspace(place), Storage(target)
    looks = Looks()
    if work.record is not None:
        resolved = workspace.settings()
        with tempfile.TemporaryDirectory(prefix="reelift-report-") as folder:
            artifacts = Artifacts(workspace.storage, Path(folder))
            assert work.account.published is not None, "there is a record of it"
            published = work.account.published.folder(resolved)
            looks = look(work.record, published, _input(work, resolved), work.shots, artifacts, Path(folder), settings)
    page = video_page(work.account, work.shots, work.record, looks, run_yaml, settings)
    output.put(f"videos/{work.page}.html", page)
    return summary(work.account, work.shots, work.record, looks)


def _input(work: _Work, resolved: dict[str, Any]) -> Input:
    content, account = work.account.content, work.account
    stored = tuple(
        StoredFrames(start, stop, content.fingerprints.get(number, ""))
        for number, _, start, stop, _, _ in content.chunk_rows()
    )
    row = SourceRow(account.source, account.source, account.output, account.size, account.version, account.sha256)
    published = account.published or Publication("", "")
    return Input(stored, row, published.split(resolved), published.redacted)
