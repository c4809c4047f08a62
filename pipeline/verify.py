"""What was published, held against the record, the fixity files and the sources."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.artifacts import Artifact, Artifacts
from pipeline.faults import line
from pipeline.fixity import digest
from pipeline.publish import STAGE, SUFFIX
from pipeline.published import Publication, newest
from pipeline.recorded import Recorded, recorded
from pipeline.sidecars import BAG
from pipeline.source_files import content_sha256, lend
from pipeline.storage import Storage, StorageError
from pipeline.sum_lists import surplus
from pipeline.verdicts import FIXITY, MOST, Verdict, lent
from pipeline.verify_output import verify_output
from pipeline.workspace import Workspace
from stages.assemble.captions import SUFFIX as CAPTIONS
from stages.contract import ItemError
from stages.media.account import shortened
from stages.split.config import SplitConfig
from stages.verification import against_captions, against_fixity, against_source

_A_WORKSPACE_HAS = ("manifest/epochs", "manifest/events")
"""Either will do. A folder of tapes may be called ``manifest``."""
_UNKEPT = "not checked against its source, whose address carried credentials that are not kept"


class _UnreadError(Exception):
    """The source cannot be had as it was. One line."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What is found, video by video, as one iterates over it; files are read then.

    Attributes:
        verdicts: about each published video.
        unpublished: videos of the workspace that were never published: failed, or still to be done.
    """

    verdicts: Iterator[Verdict]
    unpublished: int = 0

    def __iter__(self) -> Iterator[Verdict]:
        return self.verdicts


def verify(place: str | Path) -> Verification:
    """Verify a workspace, or an output folder by itself.

    Of a workspace, every published video is checked for: size and SHA-256 of all its files, its framemd5, and frames,
    audio packets (of sound kept as samples, these) and the timestamps of both as its source has them, read as it was
    for it. Of an output folder: framemd5, SHA-256 sums and bags.

    Raises:
        StorageError: if there is neither (some of it while iterating).
    """
    storage = Storage(place)
    if not any(storage.exists(folder) for folder in _A_WORKSPACE_HAS):
        return Verification(verify_output(storage))
    published, sources = newest(storage), recorded(storage)
    unpublished = len(sources.keys() - published.keys())
    return Verification(_verify_workspace(Workspace(place), published, sources), unpublished)


def _verify_workspace(
    workspace: Workspace, published: Mapping[str, Publication], sources: Mapping[str, Recorded]
) -> Iterator[Verdict]:
    settings = workspace.told()
    artifacts = Artifacts(workspace.storage, Path(tempfile.gettempdir()))
    last = {(each.output, sources[source].output): source for source, each in published.items() if source in sources}
    for source, publication in sorted(published.items()):
        record = artifacts.record(STAGE, publication.plan)
        if record is None:
            yield Verdict("", source, ("the workspace has lost the record of it; run restore again",))
            continue
        video = next(file.name for file in record.files if file.name.endswith(SUFFIX))
        found = sources.get(source, Recorded())
        other, output = last.get((publication.output, found.output), source), publication.folder(settings)
        if other != source:
            yield Verdict(video, source, (), f"its result was replaced by that of {other}, which has its name")
            continue
        differences, unchecked = shortened(_against_record(output, record), MOST), ""
        if not differences:  # the rest would only say the same again, at length
            shift, config = int(record.facts.get("shift_ms", 0)), publication.split(settings)
            with lent(output, video) as restored, _captions(output, record) as captions:
                differences = _against_sidecar(output, record, restored)
                try:
                    differences += _against_source(restored, captions, shift, source, publication.video, config)
                except (_UnreadError, StorageError) as error:
                    if publication.redacted:
                        unchecked = f"{_UNKEPT} ({error})"
                    elif isinstance(error, StorageError):
                        raise
                    else:
                        differences.append(str(error))
        yield Verdict(video, source, tuple(differences), unchecked)


def _against_record(output: Storage, record: Artifact) -> Iterator[str]:
    video = next(PurePosixPath(file.name) for file in record.files if file.name.endswith(SUFFIX))
    bagged = video.parent.name == "data" and video.parent.parent.name == f"{video.stem}{BAG}"
    parent = video.parents[2] if bagged else video.parent
    yield from surplus(output, parent, [str(PurePosixPath(file.name).relative_to(parent)) for file in record.files])
    for file in record.files:
        name = PurePosixPath(file.name).name
        try:
            size, sha256 = digest(output.blocks(file.name))
        except FileNotFoundError:
            yield f"{name} is missing"
            continue
        except OSError as error:
            yield f"{name} cannot be read: {line(error)}"
            continue
        if size != file.size:
            yield f"{name} has {size} bytes, {file.size} were written"
        elif sha256 != file.sha256:
            yield f"{name} has another SHA-256 than it was written with"


def _against_sidecar(output: Storage, record: Artifact, restored: Path) -> list[str]:
    fixities = [file.name for file in record.files if file.name.endswith(FIXITY)]
    if not fixities:
        return []
    with lent(output, fixities[0]) as fixity:
        return against_fixity(restored, fixity)


@contextmanager
def _captions(output: Storage, record: Artifact) -> Iterator[Path | None]:
    """Lend the caption file, if there is one."""
    name = next((file.name for file in record.files if file.name.endswith(CAPTIONS)), None)
    if name is None:
        yield None
        return
    with lent(output, name) as captions:
        yield captions


def _against_source(
    restored: Path, captions: Path | None, shift: int, source: str, video: str, config: SplitConfig
) -> list[str]:
    """Return what differs.

    Raises:
        _UnreadError: if the source cannot be had as it was.
        StorageError: if the disk is full, or the bucket wants credentials.
    """
    try:
        with tempfile.TemporaryDirectory() as folder, lend(source, Path(folder)) as original:
            if content_sha256(original, original.name)[:16] != video:
                raise _UnreadError("the source is not the file that was restored")
            spoken = against_captions(captions, original, shift) if captions else []
            return [*against_source(restored, original, config, shift), *spoken]
    except FileNotFoundError as error:
        raise _UnreadError("the source is not there any more") from error
    except (ItemError, OSError) as error:
        raise _UnreadError(f"the source cannot be read: {line(error)}") from error
