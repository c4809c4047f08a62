from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from models.checkpoint.renaming import CheckpointError
from models.checkpoint.streaming import write_safetensors

NAMES = st.text("ab.é_0", min_size=1, max_size=6)
SHAPES = st.lists(st.integers(0, 3), max_size=3)
TYPES = st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bfloat16])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, st.tuples(SHAPES, TYPES), min_size=1, max_size=6), st.booleans())
def test_the_file_is_the_librarys_to_the_byte(tmp_path_factory, wanted, half):
    dtype = torch.float16 if half else torch.float32
    tensors = {name: torch.randn(shape).mul(9).to(kind) for name, (shape, kind) in wanted.items()}
    folder = tmp_path_factory.mktemp("streamed")
    size = write_safetensors(folder / "ours", tensors, dtype)
    cast = {name: x.to(dtype) if x.is_floating_point() else x for name, x in tensors.items()}
    save_file(cast, folder / "theirs", metadata={"format": "pt"})
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()
    assert size == (folder / "ours").stat().st_size


def test_views_are_written_as_they_are_seen(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    write_safetensors(tmp_path / "ours", {"turned": whole.T, "column": whole[:, 1]}, torch.float32)
    save_file({"turned": whole.T.contiguous(), "column": whole[:, 1].contiguous()}, tmp_path / "x", {"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "x").read_bytes()


@pytest.mark.parametrize(("value", "message"), [(7e4, "float16 cannot"), (float("nan"), "not numbers")])
def test_values_that_would_be_lost_are_refused(tmp_path, value, message):
    with pytest.raises(CheckpointError, match=f"^a.b holds values that (are )?{message}"):
        write_safetensors(tmp_path / "file", {"a.b": torch.tensor([1.0, value])}, torch.float16)
