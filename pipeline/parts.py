"""The files of the manifest's tables: which there are, and which of them are believed (see ``epoch``)."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from pipeline.storage import Storage, StorageError

EPOCHS = "manifest/epochs"
SEAL = ".seal.json"
_SEAL = TypeAdapter(dict[str, dict[str, int]])


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A file of a table: the rows that an epoch wrote as its parts ``first`` to ``last``."""

    epoch: int
    last: int
    first: int
    name: str

    @classmethod
    def of(cls, table: str, name: str) -> Part | None:
        """Read a file's name; None if it is not a part's."""
        numbers = name.removesuffix(".parquet").split("-")
        if len(numbers) not in (2, 3) or not all(number.isdigit() for number in numbers):
            return None
        return cls(int(numbers[0]), int(numbers[-1]), int(numbers[1]), f"manifest/{table}/{name}")


def parts(storage: Storage, table: str) -> list[Part]:
    """Return all parts of a table, in order, believed or not, but not those whose rows a block holds too."""
    found = sorted(part for name in storage.names(f"manifest/{table}") if (part := Part.of(table, name)))
    blocks = defaultdict(list)
    for part in found:
        if part.first < part.last:
            blocks[part.epoch].append(part)

    def covered(part: Part) -> bool:
        near = bisect_left(blocks[part.epoch], part.last, key=lambda block: block.last)
        return near < len(blocks[part.epoch]) and blocks[part.epoch][near].first <= part.first

    return [part for part in found if part.first < part.last or not covered(part)]


def believed(storage: Storage, table: str) -> list[Part]:
    """Return the parts of a table that no seal leaves out.

    Raises:
        StorageError: if a seal is damaged or on a bad sector: what it leaves out cannot be told from what it lets in.
    """
    names = [name for name in storage.names(EPOCHS) if name.endswith(SEAL) and name.removesuffix(SEAL).isdigit()]
    seals = {int(name.removesuffix(SEAL)): _seal(storage, f"{EPOCHS}/{name}").get(table, {}) for name in names}
    return [
        part
        for part in parts(storage, table)
        if all(part.last <= seal.get(str(part.epoch), 0) for number, seal in seals.items() if number > part.epoch)
    ]


def _seal(storage: Storage, name: str) -> dict[str, dict[str, int]]:
    """Return what a seal has: table -> epoch -> last part."""
    try:
        return _SEAL.validate_json(storage.read(name))
    except ValidationError as error:
        why = error.errors()[0]["msg"]
    except OSError as error:
        why = storage.bad_sector(error)
        if not why:
            raise
    raise StorageError(
        f"{storage.url}/{name}: damaged ({why}); remove it: all that earlier runs wrote counts then, also what one "
        "wrote after the next had taken over"
    )


def read_json(storage: Storage, name: str) -> dict:
    """Return what a small file of an epoch holds; {} if it is not there or no JSON."""
    try:
        loaded = json.loads(storage.read(name))
    except (FileNotFoundError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
