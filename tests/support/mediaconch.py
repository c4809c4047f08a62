"""MediaConch, as an archive runs it on what it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

POLICY = Path(__file__).parents[2] / "docs" / "mediaconch-master.xml"


def installed() -> bool:
    return shutil.which("mediaconch") is not None


def verdict(path: Path, home: Path) -> str:
    """What it says of a file: ``pass!`` or ``fail!`` and why.

    It keeps a database below the home folder, and says nothing at all while another process has that: so each test
    gives it a home of its own.
    """
    line = ["mediaconch", "-p", str(POLICY), str(path)]
    places = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config")}
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **places})
    return done.stdout + done.stderr
