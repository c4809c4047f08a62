"""The programs that wait for a GPU, as far as a CPU can run them: small networks, small frames."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from benchmarks import drift, gpu, networks, step_profile, too_little_memory


@pytest.mark.parametrize("part", gpu.PARTS)
def test_every_part_has_a_command_line_that_its_program_takes(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, _, module, *arguments = gpu.command(part, "cuda", tmp_path)
    program = importlib.import_module(module)
    assert python == sys.executable and arguments[-1].endswith("_full_cuda.json")
    if hasattr(program, "parse"):
        options = program.parse(arguments)
        assert options.device == "cuda" and options.json.parent == tmp_path
    else:
        with pytest.raises(SystemExit) as found:  # --help is checked after all others are known
            program.main([*arguments, "--help"])
        assert found.value.code == 0


def test_parts_run_one_after_the_other_until_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"good": "pass", "bad": "import sys; sys.exit(3)", "slow": "import time; time.sleep(60)", "last": "pass"}
    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(programs, ("",)))
    monkeypatch.setattr(gpu, "command", lambda part, device, output: [sys.executable, "-c", programs[part]])
    outcome = gpu.run(list(programs), "cpu", tmp_path, seconds=3)
    assert outcome == {"good": "done", "bad": "exit status 3", "slow": "out of time", "last": "not begun"}


def test_networks_are_timed_counted_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    options = "--device cpu --parts encode step --frames 64x32 --step-tile 8 --batch 2 --rounds 1"
    assert networks.main([*options.split(), "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [(row["part"], row["frame"], row["way"]) for row in rows] == [
        ("encode", "64x32", "plain"),
        ("step", "64x64", "plain"),
        ("encode", "64x32", "ours"),
        ("step", "64x64", "ours"),
    ]
    assert all(row["seconds"] > 0 and row["operations"] > 1e6 and 0 < row["share"] < 2 for row in rows)
    assert "64x32" in capsys.readouterr().out


def test_a_size_that_does_not_fit_is_a_row_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(networks, "measure", full)
    options = networks.parse(["--device", "cpu", "--parts", "encode", "--frames", "64x32", "--rounds", "1"])
    found = list(networks.rows(options, torch.device("cpu")))
    assert len(found) == 2 and all(row.seconds is None for row in found)
    assert "out of memory" in networks.format_row(found[0])


def test_the_profile_of_a_step_adds_up(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    assert step_profile.main(f"--device cpu --step-tile 8 --batch 1 --rounds 1 --json {file}".split()) == 0
    found = json.loads(file.read_text())
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert found["shares"]["convolutions"] > 0.2 and 0 < found["spade_share"] < 1
    assert found["idle_share"] is None


def test_kernels_that_no_operator_launched_count_as_work_of_the_gpu() -> None:
    def event(key: str, device: DeviceType, own: float) -> SimpleNamespace:
        return SimpleNamespace(
            key=key,
            device_type=device,
            self_device_time_total=own,
            device_time_total=own,
            self_cpu_time_total=1,
            count=2,
        )

    events = [
        event("aten::conv2d", DeviceType.CPU, 3e6),
        event("implicit_gemm", DeviceType.CUDA, 3e6),
        event("triton_fused", DeviceType.CUDA, 5e6),
        event("cudaLaunchKernel", DeviceType.CPU, 0.0),
    ]
    shares, _, top = step_profile.tally(events, cuda=True, rounds=2)
    assert sum(shares.values()) == 4 and shares["convolutions"] == 1.5
    assert top == [("aten::conv2d", 1.5, 1)]


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mkldnn_convolution", "convolutions"),
        ("aten::_scaled_dot_product_flash_attention", "attention"),
        ("aten::addmm", "matrix products"),
        ("aten::mkldnn_linear", "matrix products"),
        ("aten::upsample_bilinear2d", "other (elementwise)"),
        ("aten::native_group_norm", "norms"),
        ("aten::copy_", "copies"),
        ("aten::silu", "other (elementwise)"),
    ],
)
def test_operators_have_a_kind(operator: str, kind: str) -> None:
    assert step_profile.kind_of(operator) == kind


def test_drift_is_told_after_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "drift.json"
    arguments = f"--device cpu --side 64 --tile 16 --steps 3 --precisions bfloat16 --json {file}".split()
    assert drift.main(arguments) == 0
    errors = json.loads(file.read_text())["relative_errors"]["bfloat16"]
    assert len(errors) == 3 and all(0 < error < 0.2 for error in errors)
    assert "bfloat16" in capsys.readouterr().out


def test_too_little_memory_cannot_be_shown_without_a_gpu() -> None:
    with pytest.raises(SystemExit, match="needs a CUDA device"):
        too_little_memory.main(["--device", "cpu"])
