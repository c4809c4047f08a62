"""One line for a run whose process is ended so hard that it can say nothing itself.

``kill -9``, the system for want of memory, a library that crashes, an item that does so with ``--executor local``; and
Ray, which ends its driver without a word when its server process on the same machine (the raylet) has died. A second
process waits for the end of the first and does nothing else: it notices by the pipe between them, whatever happened.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jobs.console import speaks_json

MESSAGE = (
    "this run was ended without a word: its process was killed (by hand, by the system for want of memory, or by what "
    "it was working on), or Ray's server process on this machine was; what is committed stays, run the same line again"
)
_WATCHER = """
import json, sys
from datetime import UTC, datetime
if not sys.stdin.buffer.read():
    message = json.loads(sys.argv[1])
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "error", "message": message}
    print(json.dumps(line) if sys.argv[2] else f"error: {message}", file=sys.stderr)
"""


@contextmanager
def last_words() -> Iterator[None]:
    """Have ``MESSAGE`` said if this process does not get to the end of the block, nor out of it by an exception."""
    words = [sys.executable, "-I", "-S", "-c", _WATCHER, json.dumps(MESSAGE), "json" if speaks_json() else ""]
    try:
        # A session of its own: Ctrl-C and the end of a terminal are not meant for it.
        watcher = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    except OSError:  # no process to spare: the run matters more
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            watcher.communicate(b".")
