"""Build the folder of training clips: fetch, render, cut, shard, index. The same seed gives the same bytes.

    folder/
      packages/                 the source files, checked against the catalogue
      photo-0000.safetensors    "clips": [n, frames, 3, size, size] uint8 RGB
      photo-0000.json           what each clip is, and the shard's SHA-256
      film-0000.safetensors     the same, out of the film
      video-0000.safetensors    the same, out of videos of one's own
      sources.json              package, version, file, SHA-256, licence, author of everything used
      index.json                all shards in order; written last: a folder without it is not finished

Resumable: a shard whose SHA-256 is the recorded one is kept; others are made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import av
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor

from stages.contract import ItemError
from training.data.catalogue import FILM, PHOTOGRAPHS
from training.data.fetch import fetch
from training.data.film import check_room, film_clips
from training.data.own_videos import own_clips, own_files
from training.data.photographs import Photograph, photo_clip, read_photograph

Made = tuple[Tensor, dict[str, Any], bool]
"""A clip, what it is, and whether it is held out for validation."""
Shard = dict[str, Any]
"""A shard's entry in the index: name, sha256, clips, and for each clip whether it is held out."""
Report = Callable[[str], None]


class PrepareConfig(BaseModel):
    """What the training clips are to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="Seed of every choice.")
    photo_clips: int = Field(1500, ge=0, description="Clips rendered from photographs; 4 % more are held out.")
    film_every: int = Field(23, ge=5, description="Frames of film and videos between the starts of two clips.")
    film: bool = Field(True, description="Also cut clips out of the film (a package of 58 MB).")
    videos: Path | None = Field(None, description="Folder of one's own videos to cut clips out of.")
    size: int = Field(256, ge=64, le=512, multiple_of=8, description="Side of the clips in pixels.")
    frames: int = Field(5, ge=2, le=16, description="Frames of each clip.")
    shard: int = Field(32, ge=1, description="Clips in a file.")


def prepare(folder: Path, config: PrepareConfig, report: Report = print) -> dict[str, Any]:
    """Build or complete the folder of training clips.

    Args:
        folder: created if need be.
        config: what is wanted. A folder that was prepared with another one is refused.
        report: is told in one line what is being done.

    Returns:
        the content of ``index.json``.

    Raises:
        training.data.fetch.FetchError: if a source cannot be had or is not what the catalogue says.
        ValueError: if the folder was prepared with another configuration, nothing is wanted, clips of film or videos
            would be longer than the distance between their starts, the folder of videos is empty or gives no clip, or
            photographs or film are too small for such clips or cannot be read.
    """
    if not (config.photo_clips or config.film or config.videos):
        raise ValueError("no photographs, no film and no videos: nothing to make clips of")
    if (config.film or config.videos) and config.film_every < config.frames:
        raise ValueError(
            f"clips of {config.frames} frames cannot begin at every {config.film_every}th frame; "
            f"give --film-every {config.frames} or more, or fewer --frames"
        )
    own = own_files(config.videos) if config.videos else []
    packages = [*(PHOTOGRAPHS if config.photo_clips else ()), *([FILM] if config.film else [])]
    files: dict[str, Path] = {}
    for package in packages:
        report(f"fetch {package.name} {package.version}")
        files |= {f"{package.name}:{path}": local for path, local in fetch(package, folder / "packages").items()}
    film = files[f"{FILM.name}:{FILM.files[0].path}"] if config.film else None
    if film:
        # Before the photographs, which take long, and before the folder is bound to a size that cannot be had.
        with _named(film):
            check_room(film, config.size)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, config)
    _write_json(folder / "sources.json", [*_sources(packages), *_own_sources(own)])
    shards = []
    photographs = _PhotoClips(files, config)
    for number, start in enumerate(range(0, photographs.total, config.shard)):
        name, count = f"photo-{number:04d}", min(config.shard, photographs.total - start)
        if (shard := _finished(folder, name)) is None:
            _unfinished(folder)
            report(f"render {name}: clips {start} to {start + count - 1} of {photographs.total}")
            shard = _write_shard(folder, name, [photographs.make(index) for index in range(start, start + count)])
        shards.append(shard)
    if film:
        clips = film_clips(film, config.size, config.frames, config.film_every, config.seed)
        with _named(film):
            shards += _cut_shards(folder, "film", {film.name: film.stat().st_size}, clips, config.shard, report)
    if config.videos:
        clips = own_clips(config.videos, config.size, config.frames, config.film_every, config.seed, report)
        sizes = {path.relative_to(config.videos).as_posix(): path.stat().st_size for path in own}
        shards += _cut_shards(folder, "video", sizes, clips, config.shard, report)
    index = {"config": config.model_dump(mode="json"), "frames": config.frames, "size": config.size, "shards": shards}
    _write_json(folder / "index.json", index)
    return index


@contextmanager
def _named(film: Path) -> Iterator[None]:
    """Turn what is wrong with the film into a line that names it."""
    try:
        yield
    except (ItemError, av.error.FFmpegError) as error:
        raise ValueError(f"{film}: {error}; choose a smaller --size, or go without the film (--no-film)") from error


def _unfinished(folder: Path) -> None:
    """Before anything in the folder becomes another: an index of what was there would call it finished."""
    (folder / "index.json").unlink(missing_ok=True)


class _PhotoClips:
    """Makes the clip of any number on its own; the photographs are read when the first one is wanted."""

    def __init__(self, files: dict[str, Path], config: PrepareConfig) -> None:
        self._files, self._config = files, config
        self.total = config.photo_clips + round(config.photo_clips * 0.04)
        self._photographs: dict[bool, list[Photograph]] = {}

    def make(self, number: int) -> Made:
        """The clip of this number; those past ``photo_clips`` show held-out photographs."""
        if not self._photographs:
            self._read()
        config, held_out = self._config, number >= self._config.photo_clips
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        clip, record = photo_clip(self._photographs[held_out], config.size, config.frames, generator)
        return clip, record, held_out

    def _read(self) -> None:
        self._photographs = {True: [], False: []}
        for package in PHOTOGRAPHS:
            for file in package.files:
                photo = read_photograph(self._files[f"{package.name}:{file.path}"], file.name, self._config.size)
                if photo.levels:
                    self._photographs[file.held_out].append(photo)
        for held_out in {False, self.total > self._config.photo_clips}:
            if not self._photographs[held_out]:
                kind, size = "held-out photograph" if held_out else "photograph", self._config.size
                raise ValueError(f"no {kind} has room for clips of {size} pixels; choose a smaller --size")


def _cut_shards(
    folder: Path, kind: str, sizes: dict[str, int], clips: Iterator[Made], shard: int, report: Report
) -> list[Shard]:
    """Clips out of videos, which are read once from their start; shards that are there and whole are not written anew.

    ``sizes`` (name -> bytes) says which videos: where they are others than before, everything is.
    """
    listing = folder / f"{kind}.json"
    before = json.loads(listing.read_text()) if listing.exists() else {"shards": []}
    if before.get("files", sizes) != sizes:
        for record in folder.glob(f"{kind}-*.json"):
            record.unlink()
    found = [_finished(folder, name) for name in before["shards"]]
    if found and all(found):
        return [made for made in found if made is not None]
    _unfinished(folder)
    _write_json(listing, {"files": sizes, "shards": []})
    report(f"cut clips out of {', '.join(list(sizes)[:3])}{' and others' if len(sizes) > 3 else ''}")
    shards: list[Shard] = []
    while batch := list(islice(clips, shard)):
        name = f"{kind}-{len(shards):04d}"
        shards.append(_finished(folder, name) or _write_shard(folder, name, batch))
        report(f"{name}: {len(batch)} clips, up to frame {batch[-1][1]['first_frame']} of {batch[-1][1]['film']}")
    _write_json(listing, {"files": sizes, "shards": [made["name"] for made in shards]})
    return shards


def _write_shard(folder: Path, name: str, made: list[Made]) -> Shard:
    """Write the clips, then the record beside them, each by an atomic rename."""
    path = folder / f"{name}.safetensors"
    draft = path.with_suffix(".draft")
    save_file({"clips": torch.stack([clip for clip, _, _ in made])}, draft)
    digest = _sha256(draft)
    draft.replace(path)
    records = [{**record, "held_out": held_out} for _, record, held_out in made]
    shard = {"name": name, "sha256": digest, "clips": len(made), "held_out": [r["held_out"] for r in records]}
    _write_json(folder / f"{name}.json", {**shard, "records": records})
    return shard


def _finished(folder: Path, name: str) -> Shard | None:
    """The index entry of a shard that is there and whole, else None."""
    record, path = folder / f"{name}.json", folder / f"{name}.safetensors"
    if not record.exists() or not path.exists():
        return None
    shard = json.loads(record.read_text())
    if _sha256(path) != shard["sha256"]:
        return None
    del shard["records"]
    return dict(shard)


def _claim(folder: Path, config: PrepareConfig) -> None:
    """Remember the configuration, so that a resumed folder never mixes two."""
    claim = folder / "config.json"
    if claim.exists() and PrepareConfig.model_validate_json(claim.read_text()) != config:
        raise ValueError(f"{folder} was prepared with another configuration ({claim}); choose an empty folder")
    _write_json(claim, config.model_dump(mode="json"))


def _sources(packages: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "kind": package.kind,
            "package": package.name,
            "version": package.version,
            "file": file.path,
            "sha256": file.sha256,
            "licence": file.licence,
            "author": file.author,
            "held_out": file.held_out,
        }
        for package in packages
        for file in package.files
    ]


def _own_sources(files: list[Path]) -> list[dict[str, Any]]:
    sources = []
    for path in files:
        # What cannot be read gives no clip: cutting names it and leaves it out.
        with suppress(OSError):
            sources.append({"kind": "own", "file": str(path), "sha256": _sha256(path)})
    return sources


def _write_json(path: Path, content: Any) -> None:
    draft = path.with_suffix(".json.draft")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
