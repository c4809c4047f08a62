"""A run on a cluster whose workspace, input and output are on S3, with a worker killed that has just put a commit."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
import told_deaths

pytest.importorskip("moto.server", reason="moto[server] is not installed")
from few_machines import few_machines, surroundings
from s3_server import s3_environment, s3_server
from whole_jobs import ROOT, events, made_twice, simulated, tree

from pipeline.status import status
from pipeline.storage import Storage

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
BUCKET = "chaos"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket that keeps every version of a file; a cluster finds it that is started after this."""
    import s3fs

    with s3_server() as port:
        for name, value in s3_environment(f"http://127.0.0.1:{port}").items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        store = fsspec.filesystem("s3")
        store.mkdir(BUCKET)
        store.make_bucket_versioned(BUCKET)
        yield f"s3://{BUCKET}"
        s3fs.S3FileSystem.clear_instance_cache()


def copied(url: str, folder: Path) -> Path:
    """A folder with all that is there."""
    storage = Storage(url)
    for name in storage.tree():
        storage.download(name, folder / name)
    return folder


def test_a_worker_that_dies_between_its_put_and_its_word_is_made_up_for_and_nothing_is_put_again(
    place: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "library").mkdir()
    for number in range(2):
        (tmp_path / "library" / f"{number}.mp4").write_text(f"40 video {number}")
        Storage(f"{place}/library").put(f"{number}.mp4", (tmp_path / "library" / f"{number}.mp4").read_bytes())
    script = Path(__file__).parent / "worker_boundary_kills.py"
    words = [sys.executable, str(script), str(tmp_path), "one worker", place]
    with few_machines() as cluster:
        env = surroundings(cluster)
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    workspace = copied(f"{place}/workspace", tmp_path / "workspace")
    rows = events(workspace)
    found = told_deaths.toll(tmp_path / "deaths", rows)
    record_property("chaos", [found.row("worker killed, all places on S3")])
    assert found.stages == {"sample": 1}
    assert found.again == 0 and not made_twice(workspace)
    outcomes = Counter(row["outcome"] for row in rows)
    assert outcomes.keys() == {"done", "reused"} and outcomes["reused"] == 1, outcomes
    assert len({row["node"] for row in rows}) == 2, "one machine had all the work"
    versions = fsspec.filesystem("s3", version_aware=True).object_version_info(f"{BUCKET}/workspace/artifacts")
    puts = Counter(each["Key"] for each in versions)
    assert puts and set(puts.values()) == {1}, "something was put again"
    assert status(f"{place}/workspace")["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
    assert tree(copied(f"{place}/restored", tmp_path / "restored")) == simulated([tmp_path / "library"], tmp_path)
