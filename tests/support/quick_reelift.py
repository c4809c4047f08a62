"""``reelift`` as the manual's commands call it: the real command line, quick enough to run all of them.

A server imports everything once and forks a process for each call; the program on the PATH hands it words, folder,
environment and open files, and ends with its exit code. What is stood in for, and nothing else: the networks of every
preset have a few thousand parameters and take two steps, the sample clip is a small one, what does not name an executor
runs without Ray, and what is evaluated without naming a flow takes OpenCV's.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whole_jobs import ROOT, environment

LOCAL, DIS = ("--executor", "local"), ("--flow", "dis")
UNSAID = {"restore": LOCAL, "retry": LOCAL, "reprocess": LOCAL, "demo": LOCAL, "evaluate": DIS}
"""Command -> option and value that it gets if the option is not named: Ray and SPyNet take long."""
SMALL = {
    "flow": {"estimator": "dis"},
    "sample": {"initial_estimate": "bicubic", "steps": 2},
    "split": {"chunk_frames": 8, "overlap_frames": 2},
    "runtime": {"threads": 1},
}
PRELOADED = ("jobs.cli", "pipeline.api", "pipeline.run", "pipeline.executors.local", "models.sampler", "report.build")
_CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(server, [json.dumps(call).encode()], [0, 1, 2])
sys.exit(int(server.recv(16) or 70))
"""


@contextmanager
def quick_reelift(folder: Path, model: Path, sample: Path) -> Iterator[Path]:
    """Lend a folder for the PATH that holds ``reelift``; ``folder`` must have a short name, as sockets want it."""
    programs, address = folder / "programs", str(folder / "socket")
    programs.mkdir()
    (programs / "reelift").write_text(_CLIENT.format(python=sys.executable, address=address))
    (programs / "reelift").chmod(0o755)
    line = [sys.executable, __file__, address, str(model), str(sample)]
    support = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            line, env={**environment(), "PYTHONPATH": support}, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n", (folder / "server.log").read_text()
        yield programs
    finally:
        server.kill()
        server.wait()


def _make_small(model: str, sample: str) -> None:
    import multiprocessing
    from dataclasses import replace
    from types import SimpleNamespace

    import jobs.calibrate
    import jobs.demo
    import pipeline.side_by_side
    from pipeline import presets
    from pipeline.config import merge

    small: dict[str, Any] = {**SMALL, "model": model}
    made = {name: replace(each, values=merge(dict(each.values), small)) for name, each in presets.PRESETS.items()}
    presets.PRESETS.update(made)  # type: ignore[attr-defined]
    # What a call has side by side is forked, too: spawned processes would import everything again.
    pipeline.side_by_side.multiprocessing = SimpleNamespace(  # type: ignore[attr-defined]
        get_context=lambda _: multiprocessing.get_context("fork"), active_children=multiprocessing.active_children
    )
    jobs.demo.SAMPLE = jobs.calibrate.SAMPLE = Path(sample)


def _serve(address: str) -> None:
    for name in PRELOADED:
        importlib.import_module(name)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listener.accept()
            with caller:
                message, files, _, _ = socket.recv_fds(caller, 1 << 20, 3)
                child = os.fork()
                if not child:
                    _call(json.loads(message), files)
                for each in files:
                    os.close(each)
                caller.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _call(call: dict[str, Any], files: list[int]) -> None:
    """Be the command of one call, in a process of its own, and end."""
    code: Any = 70
    try:
        for number, each in enumerate(files):
            os.dup2(each, number)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        words = call["words"]
        unsaid = UNSAID.get(words[0], ()) if words else ()
        sys.argv = ["reelift", *words, *(() if unsaid and unsaid[0] in words else unsaid)]
        from jobs.cli import main

        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _make_small(*sys.argv[2:])
    _serve(sys.argv[1])
