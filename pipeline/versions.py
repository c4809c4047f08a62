"""What software a result was made with."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib import metadata

_PACKAGES = (
    *("torch", "diffusers", "safetensors", "numpy", "av", "scenedetect-headless", "opencv-python-headless", "ray"),
    *("scipy", "scikit-image"),
)


@functools.cache
def version() -> str:
    """Reelift's own version."""
    return _of("reelift")


@functools.cache
def versions() -> dict[str, str]:
    """Name -> version of everything that has a part in the bytes."""
    found = {"reelift": version(), "python": platform.python_version(), "system": platform.platform(terse=True)}
    return found | {name: _of(name) for name in _PACKAGES} | {"ffmpeg": _ffmpeg()}


def _of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _ffmpeg() -> str:
    from stages.media.ffmpeg import ffmpeg_program

    done = subprocess.run([ffmpeg_program(), "-version"], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.split("\n", 1)[0].removeprefix("ffmpeg version ").split(" Copyright")[0]
