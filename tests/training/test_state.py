from __future__ import annotations

from pathlib import Path

import torch

from training.state import load_state, save_state


def test_a_state_is_cut_into_files_below_the_limit_and_read_again(tmp_path: Path) -> None:
    tensors = {f"weights.{i}": torch.randn(30, i + 1) for i in range(10)} | {"step.0": torch.tensor(7.0)}
    names = save_state(tensors, tmp_path, step=3, file_bytes=2000)
    assert names[0] == "state-3-0.safetensors" and len(names) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).stat().st_size < 2000 + 1500 for name in names)
    back = load_state(tmp_path, names)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


def test_a_tensor_above_the_limit_has_a_file_of_its_own(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.ones(1000), "c": torch.ones(2)}
    assert len(save_state(tensors, tmp_path, 0, file_bytes=100)) == 3
