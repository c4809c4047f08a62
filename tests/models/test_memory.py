from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from models import free_memory
from models.free_memory import free_bytes
from models.memory import Fitting, Shrinking, ShrinkingByCall, halved_sizes


def fitting(room: int, asked: list[int]) -> object:
    def call(size: int) -> str:
        asked.append(size)
        if size > room:
            raise torch.OutOfMemoryError("too much")
        return "done"

    return call


def test_a_size_that_fits_is_kept() -> None:
    batch, asked = Shrinking("a batch", 8), []
    assert batch(fitting(8, asked), 100) == ("done", 8)
    assert batch(fitting(8, asked), 3) == ("done", 3)
    assert batch.size == 8 and asked == [8, 3]


def test_a_size_that_does_not_fit_is_halved_for_good(caplog: pytest.LogCaptureFixture) -> None:
    batch, asked = Shrinking("a batch", 8), []
    with caplog.at_level(logging.WARNING):
        assert batch(fitting(3, asked), 100) == ("done", 2)
    assert batch(fitting(3, asked), 100) == ("done", 2)
    assert asked == [8, 4, 2, 2]
    assert caplog.messages[0] == "out of memory with a batch: 8; going on with 4"


def test_without_a_size_it_begins_with_all_there_is() -> None:
    tile, asked = Shrinking("a tile", None, least=32), []
    assert tile(fitting(100, asked), 160) == ("done", 80)
    assert tile(fitting(100, asked), 60) == ("done", 60)


def test_a_call_of_another_kind_begins_with_the_whole_size_again() -> None:
    tiles, asked = ShrinkingByCall("a tile", None, least=32), []
    assert tiles.of(640, 480)(fitting(100, asked), 160) == ("done", 80)
    assert tiles.of(320, 240)(fitting(100, asked), 90) == ("done", 90)
    with pytest.raises(torch.OutOfMemoryError):
        tiles.of(960, 720)(fitting(20, asked), 120)
    assert asked == [160, 80, 90, 120, 60, 32]


def test_what_is_done_with_less_is_told_also_of_the_calls_that_follow() -> None:
    batches, tile = ShrinkingByCall("a batch", 8), Shrinking("a tile", None, least=32)
    for _ in range(2):
        with halved_sizes() as told:
            batches.of(1)(fitting(3, []), 100)
            batches.of(2)(fitting(4, []), 100)
            tile(fitting(100, []), 160)
        assert told == {"a batch": 2, "a tile": 80}
    with halved_sizes() as told:
        batches.of(1)(fitting(3, []), 2)  # has use for no more
        batches.of(3)(fitting(8, []), 100)
    assert told == {}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_memory_may_run_out_in_other_words(error: Exception) -> None:
    def call(size: int) -> str:
        if size > 3:
            raise error
        return "done"

    assert Shrinking("a batch", 8)(call, 100) == ("done", 2)


def test_any_other_error_is_passed_on_at_once() -> None:
    asked = []

    def call(size: int) -> None:
        asked.append(size)
        raise RuntimeError("the sizes of tensors must match")

    with pytest.raises(RuntimeError, match="must match"):
        Shrinking("a batch", 8)(call, 100)
    assert asked == [8]


@pytest.mark.parametrize(("size", "most"), [(1, 9), (8, 1), (None, 1)])
def test_what_does_not_fit_at_all_is_an_error(size: int | None, most: int) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Shrinking("a batch", size)(fitting(0, []), most)


def test_a_size_is_found_from_what_one_call_takes_and_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, asked = Fitting("a batch", torch.device("cpu")), []

    def call(size: int) -> torch.Tensor:
        asked.append(size)
        # Two tensors of 4000 bytes each at once.
        return torch.ones(size * 1000) * 2

    monkeypatch.setattr("models.memory.free_bytes", lambda device: 16000 * 5 + 100)
    assert [batch(call, most)[1] for most in (100, 100, 3)] == [1, 5, 3] and asked == [1, 5, 3]


@pytest.mark.parametrize(("free", "size"), [(None, 1), (0, 1), (10**12, 64)])
def test_a_size_that_is_found_has_bounds(monkeypatch: pytest.MonkeyPatch, free: int | None, size: int) -> None:
    monkeypatch.setattr("models.memory.free_bytes", lambda device: free)
    batch = Fitting("a batch", torch.device("cpu"))
    batch(lambda count: torch.ones(1000 * count), 100)
    assert batch.size == size


def test_a_size_that_was_found_and_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.memory.free_bytes", lambda device: 10**12)
    batch, asked = Fitting("a batch", torch.device("cpu")), []
    batch(fitting(20, asked), 100)
    assert batch(fitting(20, asked), 100) == ("done", 16) and asked == [1, 64, 32, 16]


def test_the_free_memory_of_a_cpu_is_within_the_containers_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(free_memory, "CONTAINER", tmp_path)
    monkeypatch.setattr(free_memory, "MEMINFO", tmp_path / "meminfo")
    cpu = torch.device("cpu")
    assert free_bytes(cpu) is None
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:  5000 kB\n")
    assert free_bytes(cpu) == 5000 * 1024
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, free in (("max", 5000 * 1024), ("3000", 2000), ("500", 0)):
        (tmp_path / "memory.max").write_text(limit + "\n")
        assert free_bytes(cpu) == free
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 100\nfile 850\nshmem 50\ninactive_file 700\nactive_file 100\n")
    assert free_bytes(cpu) == 2000 + 800, "pages of files that were read are given up when they are wanted"
