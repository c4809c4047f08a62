"""Two drivers on one workspace: the second is refused; told to take over, it does, and the first stops by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from whole_jobs import Line, made_twice, published, status

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def test_the_second_is_refused_or_the_first_stops(
    unbroken: Line, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    workspace = tmp_path / "workspace"
    line = replace(unbroken, output=tmp_path / "restored", workspace=workspace)
    first = line.start_until(8, tmp_path / "log")
    first.send_signal(signal.SIGSTOP)
    try:
        assert first.poll() is None
        refused = line.run()
        assert refused.returncode == 1
        (complaint,) = refused.stderr.splitlines()
        assert complaint.startswith(f"error: {workspace}: another run is at work on this workspace (host ")
        assert f"process {first.pid}); wait for it to end, or take over (--takeover)" in complaint
        begun = time.monotonic()
        second = replace(line, more=["--takeover"]).run()
        seconds = time.monotonic() - begun
        assert second.returncode == 0, second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(120) == 1
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1] == (
        f"error: {workspace}: another run (epoch 2) has taken this workspace over; this one (epoch 1) has stopped"
    )
    assert "Traceback" not in said
    assert published(tmp_path / "restored") == published(Path(unbroken.output))
    twice = made_twice(workspace)
    record_property("chaos", [("second driver", 2, 0, len(twice), seconds)])
    assert not twice
    assert status(workspace)["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
