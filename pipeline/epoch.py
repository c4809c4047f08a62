"""Driver epochs: one writer per manifest, and a way to replace a dead one.

A driver claims the next number by put-if-absent of ``manifest/epochs/<n>.json`` and writes only parts that carry its
number. Before each part it looks for a newer claim; if there is one it stops itself (``FencedError``).

Between that look and the write a newer claim may appear, so readers need a rule too. Right after its claim, before its
first part, a driver writes ``<n>.seal.json``: for each table and older epoch the last part it found. **A part of epoch
e is believed if no seal of a newer epoch leaves it out.** A part that a fenced driver wrote too late is in no seal, so
nobody ever believes it, the driver that replaced it least of all. A damaged seal is an error: taken for empty, it would
hide all that is older. Windows:

1. between claim and seal: the new epoch has no parts and constrains nothing; the older driver is fenced already. If the
   new driver dies here, the next one seals for both.
2. the older driver wrote a part after the new claim but before the seal's listing: sealed in, believed by all.
3. it wrote a part after the listing: left out, believed by none; it stops at its next write. What is lost is a few
   rows of history; the artifacts they told of are committed and found by fingerprint.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

from pipeline.local_files import sweep_beside
from pipeline.parts import EPOCHS, parts, read_json
from pipeline.schemas import TABLES
from pipeline.storage import Storage, StorageError

BEAT_SECONDS = 15.0
DEAD_SECONDS = 120.0
PROC = Path("/proc")
_HELD: set[str] = set()


class FencedError(Exception):
    """A newer driver has taken this workspace over; this one has stopped."""


class BusyError(StorageError):
    """Another driver is at work on this workspace."""


def machine_identity() -> str:
    """Return boot and PID namespace, where process numbers mean the same; the host's name where Linux tells no boot."""
    machine = socket.gethostname()
    with suppress(OSError):
        machine = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        machine += f"/{(PROC / 'self/ns/pid').stat().st_ino}"
    return machine


def process_identity(pid: int = 0) -> str:
    """Return a text that no other process ever has: machine, process number (0: this one's), start time (on Linux)."""
    pid = pid or os.getpid()
    identity = f"{machine_identity()}:{pid}"
    with suppress(OSError):
        identity += ":" + (PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return identity


class Epoch:
    """A claimed epoch. Use ``Epoch.claim``."""

    def __init__(self, storage: Storage, number: int, token: str) -> None:
        self.storage, self.number, self.token = storage, number, token

    @classmethod
    def claim(cls, storage: Storage, takeover: bool = False) -> Epoch:
        """Claim the next epoch and seal the older ones.

        Args:
            storage: the workspace.
            takeover: replace a driver that still seems alive.

        Raises:
            BusyError: if the last driver seems alive (same machine: its process runs; else: it gave a sign of life
                within two minutes) and ``takeover`` is false; or if another driver claimed at the same moment.
            StorageError: if the store does not honour the condition of a put.
        """
        last = cls.latest(storage)
        if not takeover:
            cls.refuse_if_busy(storage)
        number, token = last + 1, uuid.uuid4().hex
        claim = {
            "token": token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": process_identity(),
            "claimed": time.time(),
        }
        epoch = cls(storage, number, token)
        won = storage.put_if_absent(epoch._name("json"), json.dumps(claim).encode())
        # Reading the claim back narrows the window on a store that ignores the condition.
        if not won or read_json(storage, epoch._name("json")).get("token") != token:
            raise BusyError(f"{storage.url}: another run claimed this workspace just now; wait for it to end")
        if storage.put_if_absent(epoch._name("json"), b"{}"):
            raise StorageError(
                f"{storage.url}: this store overwrites what a conditional put (If-None-Match) must not; drivers and "
                "attempts could not be told apart; put the workspace elsewhere"
            )
        if storage.is_local:  # what drivers left that were killed in the middle of a claim
            for claimed in (last, number):
                sweep_beside(Path(storage.path(cls(storage, claimed, "")._name("json"))))
        epoch._seal()
        epoch.beat()
        _HELD.add(token)
        return epoch

    @staticmethod
    def latest(storage: Storage) -> int:
        """Return the newest claimed number, 0 if there is none."""
        numbers = [name.removesuffix(".json") for name in storage.names(EPOCHS)]
        return max((int(number) for number in numbers if number.isdigit()), default=0)

    def check(self) -> None:
        """Make sure that this is still the newest epoch.

        Raises:
            FencedError: if it is not.
        """
        newest = self.latest(self.storage)
        if newest != self.number:
            raise FencedError(
                f"{self.storage.url}: another run (epoch {newest}) has taken this workspace over; "
                f"this one (epoch {self.number}) has stopped"
            )

    def beat(self) -> None:
        """Give a sign of life."""
        self.storage.put(self._name("alive"), json.dumps({"time": time.time()}).encode(), durable=False)

    def close(self) -> None:
        """Say that this driver has ended, so that the next one need not wait."""
        _HELD.discard(self.token)
        self.storage.put(self._name("closed"), b"{}", durable=False)

    def abandon(self) -> None:
        """Forget the claim without a word to the storage, as a crash would."""
        _HELD.discard(self.token)

    def _name(self, suffix: str) -> str:
        return f"{EPOCHS}/{self.number:06d}.{suffix}"

    def _seal(self) -> None:
        last: dict[str, dict[str, int]] = {}
        for table in TABLES:
            for part in parts(self.storage, table):
                if part.epoch < self.number:
                    seen = last.setdefault(table, {})
                    seen[str(part.epoch)] = max(part.last, seen.get(str(part.epoch), 0))
        self.storage.put(self._name("seal.json"), json.dumps(last).encode())

    @classmethod
    def runs(cls, storage: Storage) -> bool:
        """Return whether the last driver seems to be at work."""
        last = cls.latest(storage)
        return bool(last) and cls._living(storage, last) is not None

    @classmethod
    def refuse_if_busy(cls, storage: Storage) -> None:
        """Claim nothing, but refuse where ``claim`` would.

        Raises:
            BusyError: if the last driver seems alive.
        """
        last = cls.latest(storage)
        claim = cls._living(storage, last) if last else None
        if claim is not None:
            ahead = _sign_of_life(storage, last, claim) - time.time()
            clocks = ""
            if ahead > DEAD_SECONDS:
                clocks = f", whose last sign of life is {ahead:.0f} s in the future: set the clocks right"
            raise BusyError(
                f"{storage.url}: another run is at work on this workspace (host {claim.get('host', '?')}, process "
                f"{claim.get('pid', '?')}){clocks}; wait for it to end"
            )

    @classmethod
    def _living(cls, storage: Storage, number: int) -> dict | None:
        """Return the claim of a driver that seems alive, None if it has ended or died."""
        old = cls(storage, number, "")
        if storage.is_file(old._name("closed")):
            return None
        claim = read_json(storage, old._name("json"))
        if claim.get("process") == process_identity():
            alive = claim.get("token") in _HELD
        elif str(claim.get("process", "")).startswith(f"{machine_identity()}:"):
            alive = _runs(int(claim.get("pid", -1)), str(claim.get("process", "")))
        else:
            alive = time.time() - _sign_of_life(storage, number, claim) < DEAD_SECONDS
        return claim if alive else None


def _sign_of_life(storage: Storage, number: int, claim: dict) -> float:
    """Seconds since 1970 of a driver's last sign of life, by its own clock."""
    return float(read_json(storage, f"{EPOCHS}/{number:06}.alive").get("time", claim.get("claimed", 0.0)))


def _runs(pid: int, identity: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return identity == process_identity(pid)
