from __future__ import annotations

from collections.abc import Iterator

import pytest
from few_machines import few_machines
from model_folders import make_model_folder
from ray.cluster_utils import Cluster
from whole_jobs import Line, write_clip

SETTINGS = {"split.chunk_frames": "6", "split.overlap_frames": "1", "limits.attempts": "10"}


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """The line of a job of two videos in eleven chunks, run to its end without a disturbance."""
    root = tmp_path_factory.mktemp("unbroken")
    model = make_model_folder(tmp_path_factory.mktemp("model"))
    write_clip(root / "library" / "first.mkv", frames=30, audio="flac")
    write_clip(root / "library" / "sub" / "second.mkv", frames=24, cut=11, seed=2)
    line = Line([root / "library"], root / "restored", root / "workspace", model, settings=SETTINGS)
    done = line.run()
    assert done.returncode == 0, done.stderr
    return line


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that only drives, and two machines that work."""
    with few_machines() as found:
        yield found
