from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.parity import CHECKS, GOLDEN, LAYOUT, check_folder, kind_of, main
from benchmarks.parity_vectors import close, close_relatively, exact, format_table, outliers_allowed
from models.guidance import PublishedGuidance
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.warping import resize_flow, warp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, as_name: str | None = None, **changes: torch.Tensor | None) -> None:
    """Copy a golden file under another name, with tensors replaced, added or (None) left out."""
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    for key, value in changes.items():
        tensors.pop(key, None)
        if value is not None:
            tensors[key] = value
    save_file(tensors, folder / f"{as_name or name}.safetensors")
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    facts["tensors"] = {key: entry for key, entry in facts["tensors"].items() if key in tensors}
    (folder / f"{as_name or name}.json").write_text(json.dumps(facts))


ONE_RUN = dict.fromkeys(
    [
        *("in.x10", "in.t10", "in.context2", "in.struct_latent10", "out.eps10"),
        *("in.t_a", "out.eps_a", "out.middle_block_a"),
    ]
)
"""Leaves one of the UNet's three runs, to save time."""


def failures(folder: Path) -> list[str]:
    return [f"{row.component}: {row.note}" for row in check_folder(folder) if not row.passed]


@pytest.mark.parametrize(
    "name", ["schedule", "tile_weights", "motion_guidance", "color_fix", "decoder_losses", "temporal_attention"]
)
def test_published_vectors_pass(folder, name):
    put(folder, name)
    assert failures(folder) == []


@pytest.mark.slow
def test_all_published_vectors_pass(capsys):
    assert main([str(GOLDEN)]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in (*CHECKS, LAYOUT)) and "FAIL" not in table


def test_a_wrong_value_fails_and_gives_a_failing_exit_status(folder, capsys):
    wrong = load_file(GOLDEN / "color_fix.safetensors")["out.adain"] + 1e-3
    put(folder, "color_fix", **{"out.adain": wrong})
    assert main([str(folder), "--json", str(folder / "table.txt")]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("color_fix adain"))
    assert line.endswith("FAIL") and "0.001" in line
    assert [row["passed"] for row in json.loads((folder / "table.txt").read_text())] == [False, True]


def test_a_file_nobody_knows_fails(folder):
    put(folder, "color_fix")
    (folder / "surprise.safetensors").write_bytes(b"")
    assert failures(folder) == ["surprise.safetensors: nobody knows this file"]


def test_an_empty_folder_fails(folder):
    assert len(failures(folder)) == 1


def test_an_output_that_nothing_is_compared_with_fails(folder):
    put(folder, "color_fix", **{"out.gamma": torch.zeros(1)})
    assert failures(folder) == ["color_fix out.gamma: nothing was compared with this"]


def test_a_missing_output_fails(folder):
    put(folder, "color_fix", **{"out.wavelet": None})
    assert len(failures(folder)) == 1


def test_what_the_table_lists_must_be_there_in_that_shape(folder):
    put(folder, "color_fix")
    table = folder / "color_fix.json"
    facts = json.loads(table.read_text())
    facts["tensors"] |= {"out.third": [[2], "float32"], "in.style": [[2, 3, 34, 41], "float32"]}
    table.write_text(json.dumps(facts))
    assert failures(folder) == [
        "color_fix: in.style has shape [2, 3, 34, 40], but is listed in the json as [2, 3, 34, 41]",
        "color_fix: out.third is listed in the json, but is not there",
    ]


def test_weights_in_a_file_that_loads_none_fail(folder):
    put(folder, "color_fix", **{"weights.conv.weight": torch.zeros(1)})
    assert failures(folder) == ["color_fix weights.conv.weight: no network has a place for this"]


def test_weights_that_only_training_needs_fail(folder):
    put(folder, "vae", **{"weights.loss.logvar": torch.zeros(1)})
    assert any("loss.logvar" in failure for failure in failures(folder))


def test_a_file_is_not_known_because_one_that_does_not_load_it_names_it(folder):
    put(folder, "color_fix")
    table = folder / "color_fix.json"
    table.write_text(json.dumps(json.loads(table.read_text()) | {"vae": "surprise.safetensors"}))
    (folder / "surprise.safetensors").write_bytes(b"")
    assert failures(folder) == ["surprise.safetensors: nobody knows this file"]


@pytest.mark.parametrize("change", [{"weights.norm.extra": torch.zeros(1)}, {"weights.norm.bias": None}])
def test_a_weight_without_a_place_or_a_place_without_a_weight_fails(folder, change):
    put(folder, "temporal_attention", **change)
    assert any("norm" in failure for failure in failures(folder))


@pytest.mark.parametrize("name", ["structcond_encoder", "unet", "vae"])
def test_a_left_over_weight_of_a_network_fails(folder, name):
    put(folder, name, **{"weights.left.over": torch.zeros(1)})
    assert any("left.over" in failure for failure in failures(folder))


def test_several_files_of_a_kind_and_other_names_of_weights(folder):
    put(folder, "color_fix", "color_fix_wide")
    put(folder, "structcond_encoder", "structcond_encoder_small")
    put(folder, "unet", "unet_small", **ONE_RUN)
    table = folder / "unet_small.json"
    table.write_text(json.dumps(json.loads(table.read_text()) | {"encoder": "structcond_encoder_small.safetensors"}))
    assert failures(folder) == []


def test_weights_under_a_name_of_their_own_are_known_by_who_refers_to_them(folder):
    put(folder, "structcond_encoder", "networks")
    put(folder, "unet", **ONE_RUN)
    table = folder / "unet.json"
    table.write_text(json.dumps(json.loads(table.read_text()) | {"encoder": "networks.safetensors"}))
    assert failures(folder) == []


def test_a_network_without_vectors_of_its_own_is_checked_for_its_weights(folder):
    outputs = [key for key in load_file(GOLDEN / "unet.safetensors") if not key.startswith("weights.")]
    put(folder, "unet", **dict.fromkeys(outputs))
    assert failures(folder) == []


def test_another_schedule(folder):
    base = DiffusionSchedule.base(0.001, 0.02, 500)
    respaced = base.respace(7)
    tensors = {"out.base500.betas": base.betas, "out.respaced7.posterior_mean_coef2": respaced.posterior_mean_coef2}
    save_file(tensors | {"out.timestep_map7": respaced.timesteps}, folder / "schedule.safetensors")
    config = {"linear_start": 0.001, "linear_end": 0.02, "timesteps": 500}
    (folder / "schedule.json").write_text(json.dumps({"config": config}))
    assert failures(folder) == []
    (folder / "schedule.json").write_text(json.dumps({"config": config | {"linear_end": 0.012}}))
    assert len(failures(folder)) == 2


def test_guidance_of_other_sizes(folder):
    latents, flows = torch.randn(7, 3, 10, 9), torch.randn(2, 1, 6, 2, 20, 27)
    backward, forward = (resize_flow(flow, (10, 9)) for flow in flows)
    motion = Motion.from_flow(forward[0], backward[0], 0.02, 0.4)
    visible = torch.zeros_like(motion.forward_occlusion)
    unmasked = PublishedGuidance(Motion(forward[0], backward[0], visible, visible))
    loss, gradient = PublishedGuidance(motion).loss_and_gradient(latents)
    save_file(
        {
            "in.latents": latents,
            "in.flow0_src": flows[0].clone(),
            "in.flow1_src": flows[1].clone(),
            "out.flow0_resized": backward,
            "out.flow1_resized": forward,
            "out.flow0_resized_odd": resize_flow(flows[0], (5, 7)),
            "out.fwd_occ": motion.forward_occlusion[None],
            "out.bwd_occ": motion.backward_occlusion[None],
            "out.warp_latents0to5_by_flow1": warp(latents[:6], forward[0]),
            "out.loss": loss.view(1),
            "out.grad": gradient,
            "out.loss_nomask": unmasked.loss(latents).view(1),
        },
        folder / "motion_guidance.safetensors",
    )
    config = {"alpha": 0.02, "beta": 0.4, "target_hw": [10, 9], "odd_hw": [5, 7]}
    (folder / "motion_guidance.json").write_text(json.dumps({"config": config}))
    assert failures(folder) == []


def test_kinds_are_known_by_their_names_alone():
    assert kind_of("unet") == "unet" and kind_of("unet_b") == "unet" and kind_of("unetb") is None
    assert kind_of("official_checkpoint_layout") == LAYOUT and kind_of("README") is None


def test_tolerances():
    zeros = torch.zeros(2000)
    assert close("x", zeros + 1e-3, zeros, 2e-3).passed and not close("x", zeros + 3e-3, zeros, 2e-3).passed
    assert not close("x", torch.full((2000,), float("nan")), zeros, 2e-3).passed
    assert not close("x", zeros[:5], zeros, 2e-3).passed
    assert close_relatively("x", torch.tensor([0.0, 100.001]), torch.tensor([0.0, 100.0]), 1e-4).passed
    assert not close_relatively("x", torch.tensor([1e-9]), torch.tensor([0.0]), 1e-4).passed
    assert exact("x", zeros, zeros).passed and not exact("x", zeros + 1, zeros).passed
    assert not exact("x", [1], [2]).passed


def test_a_flipped_sign_is_an_outlier_but_two_in_a_thousand_are_an_error():
    expected, found = torch.zeros(2000), torch.zeros(2000)
    found[0] = 0.2
    assert outliers_allowed("x", found, expected, 2e-3, 0.3).passed
    assert not outliers_allowed("x", found, expected, 2e-3, 0.1).passed
    found[:4] = 0.2
    assert not outliers_allowed("x", found, expected, 2e-3, 0.3).passed


def test_the_table_has_columns():
    lines = format_table([exact("a", 1, 1), exact("longer name", 1, 2)]).splitlines()
    assert len({line.index("exact") for line in lines[1:]}) == 1 and lines[2].endswith("2") and "FAIL" in lines[2]
