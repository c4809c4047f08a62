from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import sampler
from benchmarks.operations import Operations
from benchmarks.plain_reference import guidance_gradient, guidance_loss, restore_plainly
from benchmarks.sampler_case import SIZES, Case, Clock, Networks
from benchmarks.sampler_settings import presets
from benchmarks.sampler_ways import Way, measure, restore
from models import folder
from models.configurations import Configuration
from models.guidance import PublishedGuidance
from pipeline.config import load_config

ABSENT_ON_GPU_MACHINES = (
    "ray", "av", "pydantic", "pyarrow", "s3fs", "ffmpeg", "imageio_ffmpeg", "scenedetect", "cv2"
)  # fmt: skip
CPU = torch.device("cpu")
TINY = ["--device", "cpu", "--height", "64", "--width", "64", "--frames", "5", "--steps", "2", "--tile", "4"]


COMMON = {"layers_per_block": 1, "norm_groups": 4}
SMALL = Configuration(
    unet=COMMON
    | {"block_out_channels": (16, 16), "attention_resolutions": (2,), "head_channels": 8, "spade_hidden": 8}
    | {"cross_attention_dim": 12, "structure_channels": 8},
    structure_encoder=COMMON
    | {"block_out_channels": (8, 16), "attention_resolutions": (2,), "out_channels": 8, "num_heads": 2},
    vae=COMMON | {"block_out_channels": (8, 8, 8), "patch_size": 2, "fusion_growth": 4},
)
"""With a prompt, which the embedded networks lack."""


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "small", SMALL)
        yield


@pytest.fixture(scope="module")
def networks(small_networks: None) -> Networks:
    return Networks.build("small")


@pytest.fixture(scope="module")
def case(networks: Networks) -> Case:
    return Case.build(networks, 10, 64, 96, CPU)


def test_both_ways_give_the_same(networks: Networks, case: Case) -> None:
    settings = presets(3, 6, 4, torch.float32)["reference"]
    plain = restore_plainly(settings.sampler, networks, case, Clock(CPU))
    ours = restore(settings, networks, case, Clock(CPU))
    assert plain.latents.shape == case.posterior.shape and plain.frames.shape == case.images.shape
    assert max(sampler.compare(ours, plain).values()) < 1e-4
    # A comparison that nothing fails would say nothing: other tiles are other results.
    other = restore(presets(3, 8, 4, torch.float32)["reference"], networks, case, Clock(CPU))
    assert sampler.compare(other, plain)["latents"] > 1e-3


def test_a_way_on_one_of_two_threads_is_rated_by_that_one(networks: Networks, case: Case) -> None:
    torch.set_num_threads(2)
    way = Way.ours("alone", presets(1, 8, 4, torch.float32)["fast"], torch.contiguous_format)
    [(_, found, _)] = measure([replace(way, threads=1)], networks, case, 1)
    assert found.busy(CPU) == pytest.approx(found.processor_total)
    assert found.teraflops(CPU) == pytest.approx(sum(found.operations.values()) / found.processor_total / 1e12)
    both = replace(found, threads=2)
    assert both.teraflops(CPU) == pytest.approx(2 * found.teraflops(CPU))
    # Of what its threads could do, and by how much less the processor is at work, it is the same.
    assert both.share_of(0.2, CPU) == pytest.approx(found.share_of(0.2, CPU))
    assert found.speed_up(both, CPU) == pytest.approx(1)


def test_order_in_memory_does_not_matter(networks: Networks, case: Case) -> None:
    settings = presets(2, 8, 2, torch.float32)["fast"]
    first = restore(settings, networks, case, Clock(CPU))
    placed = networks.placed(CPU, torch.float32, torch.channels_last)
    assert placed.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    second = restore(settings, placed, case, Clock(CPU))
    networks.placed(CPU, torch.float32, torch.contiguous_format)
    assert max(sampler.compare(second, first).values()) < 1e-4


def test_plain_guidance_is_the_published_one(case: Case) -> None:
    motion = case.motion.pairs(0, 4)
    latents = torch.randn(5, *case.posterior.shape[1:], generator=torch.Generator().manual_seed(1))
    loss, gradient = PublishedGuidance(motion).loss_and_gradient(latents)
    assert torch.allclose(guidance_loss(latents, motion), loss)
    assert torch.allclose(guidance_gradient(latents, motion), gradient, atol=1e-8)
    assert not latents.requires_grad


def test_every_path_of_random_networks_counts(networks: Networks, case: Case) -> None:
    assert all(bool(parameter.any()) for parameter in networks.unet.parameters())
    assert bool((1 - case.motion.forward_occlusion).any()) and bool(case.motion.forward_occlusion.any())


@pytest.mark.parametrize("name", ["reference", "balanced", "fast", "embedded"])
def test_settings_are_those_of_the_presets(name: str) -> None:
    config = load_config(preset=name)
    found, expected = presets(50, 64, config.sample.batch, torch.float32)[name], config.sample
    settings, windows = found.sampler, found.sampler.windows
    for attribute in ("solver", "last_window", "steps", "start"):
        assert getattr(settings, attribute) == getattr(expected, attribute), attribute
    assert (windows.reuse_steps, windows.reuse_skips) == (expected.reuse_steps, expected.reuse_skips)
    assert (windows.overlap, windows.tile) == (expected.window_overlap, expected.tile)
    assert (windows.tile_overlap, windows.tile_shift) == (expected.tile_overlap, expected.tile_shift)
    # How strong the guidance is does not change what it costs.
    assert settings.guidance.form == expected.guidance.form
    if name != "reference":
        assert settings.guidance.target == expected.guidance.target
    assert (settings.guidance.begin, settings.guidance.end) == (expected.guidance.begin, expected.guidance.end)
    assert (found.decode_window, found.decode_overlap) == (config.decode.window_frames, config.decode.window_overlap)


def test_operations_of_the_full_networks_are_those_of_the_published_system() -> None:
    with torch.device("meta"):
        built = sampler.SIZES["full"].build()
        networks = Networks(*built, torch.empty(1, 77, 1024), "none")
        operations = Operations(networks)
        timestep, latents = torch.zeros(1), torch.empty(5, 4, 64, 64)
        with operations.counted(networks), torch.no_grad():
            features = networks.structure_encoder(latents, timestep)
            for _ in range(2):
                networks.unet(latents, timestep, networks.prompt, features)
            encoded = networks.vae.encode(torch.empty(5, 3, 512, 512))
            networks.vae.decode(latents, encoded.features)
    found = {part: count / 5e12 for part, count in operations.by_part().items()}
    assert found == pytest.approx({"encode": 1.1, "sample": 2 * 0.88 + 0.09, "decode": 4.1}, rel=0.02)
    assert set(operations.by_part().values()) == {0}


def test_wrong_calls_are_refused(networks: Networks, case: Case) -> None:
    with pytest.raises(SystemExit):
        sampler.parse(["--frames", "7"])
    settings = presets(2, 8, 1, torch.float32)
    with pytest.raises(ValueError, match="published"):
        restore_plainly(settings["balanced"].sampler, networks, case, Clock(CPU))
    seven = replace(case, images=case.images[:7])
    with pytest.raises(ValueError, match="windows"):
        restore_plainly(settings["reference"].sampler, networks, seven, Clock(CPU))


def test_command_needs_neither_ray_nor_media_libraries(tmp_path: Path) -> None:
    out = tmp_path / "sampler.json"
    script = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({ABSENT_ON_GPU_MACHINES!r}))\n"
        f"sys.argv = ['sampler', *{TINY!r}, '--rounds', '1', '--threads', '1', '--json', {str(out)!r}]\n"
        "runpy.run_module('benchmarks.sampler', run_name='__main__')\n"
    )
    root = Path(sampler.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["agreement"]["passed"] and "plain" in done.stdout
    assert set(result["rows"]) == {"plain", "ours: reference", "ours: balanced", "ours: fast", "ours: embedded"}
    for row in result["rows"].values():
        assert row["total_seconds"] > 0 and row["operations"]["sample"] > 0 and row["peak_gigabytes"] > 0
    plain, ours = (result["rows"][name]["operations"] for name in ("plain", "ours: reference"))
    # What is done once per call weighs a little more in small batches.
    assert plain == pytest.approx(ours | {"encode": 2 * ours["encode"]}, rel=0.01)


def test_half_precision_is_compared_with_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(SIZES, "embedded", SMALL)
    monkeypatch.setattr(folder, "EMBEDDED_FOLDER", tmp_path)
    options = sampler.parse([*TINY, "--rounds", "1", "--precision", "bfloat16"])
    result = sampler.run(options)["agreement"]
    errors = result["relative_errors"]
    assert set(errors) == {"plain to float32", "ours: reference to float32"}
    assert errors["plain to float32"]["latents"] < 1e-4 < errors["ours: reference to float32"]["latents"]
