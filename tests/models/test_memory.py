from __future__ import annotations

import logging

import pytest
import torch

from models.memory import Shrinking


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


@pytest.mark.parametrize(("size", "most"), [(1, 9), (8, 1), (None, 1)])
def test_what_does_not_fit_at_all_is_an_error(size: int | None, most: int) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Shrinking("a batch", size)(fitting(0, []), most)
