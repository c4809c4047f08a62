"""What is charged to an item, and when it is given up or tried elsewhere."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pipeline.accounting import LOW_DISK, MOST_FREE, OUT_OF_MEMORY, Accounts, ElsewhereError
from pipeline.events import LONGEST_TRACEBACK, Item, Witness
from pipeline.fingerprint import STAGES, Identity, Recipe
from pipeline.job import Job
from pipeline.schemas import DIED, EVICTED, FAILED, GAVE_UP, PREEMPTED, RETRIED, TIMED_OUT, Event, Record
from pipeline.storage import StorageError
from pipeline.workspace import Workspace
from stages.contract import ItemError

ITEM = Item("f" * 64, "p" * 64, "0" * 16, 3)


class Nodes:
    """A cluster whose machine ``gone`` has left."""

    def is_gone(self, node: str) -> bool:
        return node == "gone"


def accounts(tmp_path: Path, told: list[Record], cluster: Nodes | None = None, scratch: Path | None = None) -> Accounts:
    recipe = Recipe({name: Identity(name, {}, "") for name in STAGES})
    job = Job(str(tmp_path), str(tmp_path / "o"), 1, recipe, attempts=2, timeouts={"flow": 9.0})
    return Accounts(job, Workspace(str(tmp_path), scratch), Witness("flow", "w", "here"), told.extend, cluster)


def outcomes(told: list[Record]) -> list[str]:
    return [record.outcome for record in told if isinstance(record, Event)]


def test_an_item_that_takes_its_machine_away_again_and_again_is_given_up(tmp_path: Path) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told, Nodes())
    for number in range(MOST_FREE + 1):
        account.attempts.begin(ITEM.fingerprint, f"w{number}", "gone", 1.0)
    begun = account.begin(ITEM)
    assert begun is not None and begun.number == MOST_FREE + 2
    account.attempts.end(ITEM.fingerprint, begun, PREEMPTED, "")
    assert account.begin(ITEM) is None
    assert outcomes(told) == [PREEMPTED] * (MOST_FREE + 1) + [GAVE_UP]
    given_up = told[-1]
    assert isinstance(given_up, Event) and given_up.error_class == "Preempted"
    assert given_up.message == "given up after 52 attempts, 52 of them cut short from outside"


@pytest.mark.parametrize(
    ("error", "outcome", "spent"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), GAVE_UP, True),
        (ValueError("no"), GAVE_UP, None),
        (ItemError("never"), FAILED, None),
    ],
)
def test_the_last_attempt_gives_the_item_up_with_what_it_raised(
    tmp_path: Path, error: Exception, outcome: str, spent: bool | None
) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told, Nodes())
    account.attempts.end(ITEM.fingerprint, account.attempts.begin(ITEM.fingerprint, "w", "here", 1.0), RETRIED, "")
    last = account.begin(ITEM)
    assert last is not None
    if spent is None:
        assert account.failed(ITEM, last, 0.0, error) == outcome
    else:
        with pytest.raises(ElsewhereError) as elsewhere:
            account.failed(ITEM, last, 0.0, error)
        assert elsewhere.value.spent is spent, "its worker is replaced all the same"
        assert account.begin(ITEM) is None, "whoever gets it next finds it given up"
    (event,) = (record for record in told if isinstance(record, Event))
    assert (event.outcome, event.error_class) == (outcome, type(error).__name__)
    assert event.attempt == 2 and event.message == str(error) and f"{error}\n" in event.traceback


def test_the_last_attempt_that_takes_too_long_gives_the_item_up_with_where_it_hung(tmp_path: Path) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told, Nodes())
    for number in (1, 2):
        attempt = account.begin(ITEM)
        assert attempt is not None
        account.overdue(ITEM, attempt, 0.0, f"in line {number}")
    assert account.begin(ITEM) is None
    assert outcomes(told) == [TIMED_OUT, TIMED_OUT, GAVE_UP]
    given_up = told[-1]
    assert isinstance(given_up, Event) and (given_up.error_class, given_up.attempt) == ("TimedOut", 2)
    assert given_up.message == "given up after 2 attempts; the last one took too long"
    assert given_up.traceback == "in line 2"


def test_what_a_tool_says_on_a_full_disk_ends_the_run_and_is_charged_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told)
    attempt = account.begin(ITEM)
    assert attempt is not None
    monkeypatch.setattr(account.workspace, "free_bytes", lambda: LOW_DISK - 1)
    with pytest.raises(StorageError, match="15 MiB are left on the disk"):
        account.failed(ITEM, attempt, 0.0, RuntimeError("ffmpeg ended with code 228"))
    assert told == []
    assert account.failed(ITEM, attempt, 0.0, ItemError("no video")) == FAILED


def test_an_attempt_is_not_charged_for_what_befell_another_worker(tmp_path: Path) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told, Nodes())
    for worker in ("evicted", "died"):
        account.attempts.begin(ITEM.fingerprint, worker, "here", 1.0)
    # The last one had the row to itself, and was ended before it had begun.
    account.lost = {"evicted": EVICTED, "not begun": OUT_OF_MEMORY}
    begun = account.begin(ITEM)
    assert begun is not None and begun.number == 3
    assert outcomes(told) == [EVICTED, DIED]
    assert [record.error_class for record in told if isinstance(record, Event)] == [OUT_OF_MEMORY, "WorkerDied"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "flow.bin"),
        # In the words of the tool or library that said it; its half-written file, and with it the space, may be gone.
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("av_interleaved_write_frame(): No space left on device"),
        RuntimeError("Error writing trailer: Disk quota exceeded"),
    ],
)
@pytest.mark.parametrize("cluster", [None, Nodes()])
def test_a_full_disk_is_named_and_charged_to_nobody_though_it_has_room_again(
    tmp_path: Path, error: Exception, cluster: Nodes | None
) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told, cluster, scratch=tmp_path / "fast")
    attempt = account.begin(ITEM)
    assert attempt is not None
    where = f"{tmp_path}/fast on here" if cluster else f"{tmp_path}/fast"
    with pytest.raises(StorageError, match=f"^{where}: the disk .*; free some space and run the same line again$"):
        account.failed(ITEM, attempt, 0.0, error)
    assert told == []


def test_a_long_traceback_keeps_its_end(tmp_path: Path) -> None:
    told: list[Record] = []
    account = accounts(tmp_path, told)
    attempt = account.begin(ITEM)
    assert attempt is not None
    account.failed(ITEM, attempt, 0.0, ValueError("x" * LONGEST_TRACEBACK + " the end"))
    (event,) = (record for record in told if isinstance(record, Event))
    assert len(event.traceback) == LONGEST_TRACEBACK and event.traceback.endswith("the end\n")
