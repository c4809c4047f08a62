from __future__ import annotations

import json

import pytest
import torch
from published_checkpoints import configuration, full, save, small
from safetensors.torch import load_file

from models.checkpoint import structure_encoder, unet, vae
from models.checkpoint.convert import convert
from models.checkpoint.plan import Source, make_plan
from models.checkpoint.precision import Precision
from models.checkpoint.raft import rename_raft
from models.checkpoint.renaming import CheckpointError
from models.checkpoint.verification import compare_encoders
from models.configurations import FULL
from models.folder import ModelFolder
from models.schedule import DiffusionSchedule


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    published = small()
    return save(folder / "a.ckpt", published.diffusion), save(folder / "b.ckpt", published.vae)


@pytest.fixture(scope="module")
def converted(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted") / "model"
    conversion = convert(*files, None, folder, Precision.float32, configuration())
    return folder, conversion


def test_every_tensor_of_the_small_checkpoint_arrives(converted):
    folder, _ = converted
    published, model = small(), ModelFolder(converted[0])
    networks = configuration().build()
    expected = {
        "unet": unet.load(networks[0], prefixed(published.diffusion, unet.PREFIX)),
        "structure_encoder": structure_encoder.load(
            networks[1], prefixed(published.diffusion, structure_encoder.PREFIX)
        ),
        "vae": vae.load(networks[2], published.vae),
    }
    for part, network in expected.items():
        loaded = getattr(model, part)()
        arguments = getattr(configuration(), part)
        assert json.dumps({name: loaded.config[name] for name in arguments}) == json.dumps(arguments)
        assert_equal(loaded.state_dict(), network.state_dict())
    raft = model.flow("raft")
    assert_equal(raft.state_dict(), rename_raft(raft, published.flow))
    assert sorted(path.name for path in folder.iterdir()) == [
        *("conversion.json", "flow", "prompt", "scheduler", "structure_encoder", "unet", "vae")
    ]


@torch.no_grad()
def test_the_converted_networks_give_the_published_outputs(converted, golden, close):
    model = ModelFolder(converted[0])
    vectors = golden("unet")
    timesteps = vectors.inputs["t_a"]
    structure = model.structure_encoder()(vectors.inputs["struct_latent"], timesteps)
    close(model.unet()(vectors.inputs["x"], timesteps, vectors.inputs["context"], structure), vectors.outputs["eps_a"])


def test_the_schedule_and_the_scale_are_the_published_ones(converted):
    model = ModelFolder(converted[0])
    ours = DiffusionSchedule.base()
    assert torch.equal(model.schedule().posterior_log_variance_clipped, ours.posterior_log_variance_clipped)
    assert model.vae().config.scaling_factor == 0.18215
    assert model.prompt().shape == (1, 77, 64)


def test_half_precision_rounds_each_weight_once_but_not_the_flow_network(files, converted, tmp_path):
    convert(*files, None, tmp_path / "half", Precision.float16, configuration())
    for part in ("unet", "structure_encoder", "vae", "flow"):
        whole, half = (
            load_file(folder / part / "diffusion_pytorch_model.safetensors")
            for folder in (converted[0], tmp_path / "half")
        )
        if part != "flow":
            assert {x.dtype for x in half.values()} == {torch.float16}
            whole = {key: value.half() for key, value in whole.items()}
        assert_equal(half, whole)
    assert ModelFolder(tmp_path / "half").unet().dtype == torch.float32


def test_a_checkpoint_in_half_precision_is_the_same_model(files, converted, tmp_path):
    stored = []
    for name in ("diffusion", "vae"):
        tensors = {key: x.half() if x.is_floating_point() else x for key, x in getattr(small(), name).items()}
        stored.append(save(tmp_path / name, tensors))
    convert(*stored, None, tmp_path / "from_half", Precision.float32, configuration())
    # The golden weights are of eight bits, so nothing is lost on the way.
    assert_equal(
        load_file(tmp_path / "from_half/unet/diffusion_pytorch_model.safetensors"),
        load_file(converted[0] / "unet/diffusion_pytorch_model.safetensors"),
    )


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_flow_file_takes_the_place_of_the_copy(files, tmp_path, prefix):
    own = {prefix + key: value + 1 for key, value in small().flow.items()}
    torch.save(own, tmp_path / "raft.pth", _use_new_zipfile_serialization=bool(prefix))
    conversion = convert(*files, tmp_path / "raft.pth", tmp_path / "model", configuration=configuration())
    raft = ModelFolder(tmp_path / "model").flow("raft")
    assert torch.equal(raft.feature_encoder.conv_in.bias, small().flow["fnet.conv1.bias"] + 1)
    assert "flownet_model.fnet.conv1.bias" in {key for entry in conversion.omitted for key in entry.keys}


def test_the_record_says_what_was_left_out(files, converted):
    _, conversion = converted
    record = json.loads((converted[0] / "conversion.json").read_text())
    assert [source["name"] for source in record["sources"]] == ["a.ckpt", "b.ckpt"]
    assert all(len(source["sha256"]) == 64 for source in record["sources"])
    left_out = {key for entry in record["omitted"] for key in entry["keys"]}
    published = small()
    assert {"betas", "loss.logvar", "cond_stage_model.model.logit_scale"} < left_out
    assert "cond_stage_model.model.transformer.resblocks.2.ln_1.bias" in left_out
    assert "cond_stage_model.model.transformer.resblocks.1.ln_1.bias" not in left_out
    tower = {f"cond_stage_model.model.{key}" for key in prefixed(published.diffusion, "cond_stage_model.model.")}
    written = sum(part.tensors for part in conversion.parts)
    # The structure encoder's joint rows become three tensors; RAFT stores four norms twice.
    joint = 2 * sum(".qkv." in key for key in published.diffusion)
    twice = sum(".downsample.1." in key for key in published.flow)
    assert len(published.diffusion) + len(published.vae) == len(left_out | tower) + written - joint + twice


@pytest.mark.parametrize("own_flow", [False, True])
def test_the_full_layout_is_placed_to_the_last_tensor(own_flow):
    layout = full()
    plan = make_plan(
        Source("a", layout.diffusion), Source("b", layout.vae), Source("c", layout.flow) if own_flow else None, FULL
    )
    assert plan.prompt.shape == (1, 77, 1024)
    counts = {name: sum(x.numel() for x in planned.state.values()) for name, planned in plan.networks.items()}
    assert counts["unet"] == 935321287
    assert counts["structure_encoder"] == 52494080
    assert counts["vae"] == 114973812
    assert {entry.file for entry in plan.omitted} == {"a", "b"}


def test_the_same_files_give_the_same_bytes(files, converted, tmp_path):
    convert(*files, None, tmp_path / "again", Precision.float32, configuration())
    for path in sorted((tmp_path / "again").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (converted[0] / path.relative_to(tmp_path / "again")).read_bytes()


def prefixed(tensors, prefix):
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    assert not [key for key, value in expected.items() if not torch.equal(actual[key], value)]
    assert {key: x.dtype for key, x in actual.items()} == {key: x.dtype for key, x in expected.items()}


def test_files_that_do_not_belong_together_are_doubted(files, tmp_path):
    key = "first_stage_model.encoder.conv_in.weight"
    other = small().diffusion | {key: small().diffusion[key] + 0.5}
    changed = save(tmp_path / "a.ckpt", other)
    conversion = convert(changed, files[1], None, tmp_path / "model", configuration=configuration())
    assert len(conversion.warnings) == 1 and "differ, by up to 0.5" in conversion.warnings[0]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "first_stage_model.encoder.conv_in.weight",
            torch.nan,
            "1 of 76 tensors differ, some in values that are not numbers; ",
        ),
        ("first_stage_model.encoder.of.another.kind", 0.0, "1 of 77 tensors differ; "),
    ],
)
def test_what_is_no_number_or_not_in_the_vae_is_a_difference(key, value, told):
    other = dict(small().diffusion)
    other[key] = torch.full_like(other["first_stage_model.encoder.conv_in.weight"], value)
    (line,) = compare_encoders(other, small().vae)
    assert told in line
    assert compare_encoders(small().diffusion, small().vae) == []


@pytest.mark.parametrize("key", ["model.diffusion_model.time_embed.0.weight", "cond_stage_model.model.ln_final.weight"])
def test_a_value_that_is_no_number_is_named_with_its_file(files, tmp_path, key):
    spoilt = save(tmp_path / "a.ckpt", small().diffusion | {key: small().diffusion[key] * torch.nan})
    with pytest.raises(CheckpointError, match=rf"^{spoilt}: (unet|prompt): .* not numbers"):
        convert(spoilt, files[1], None, tmp_path / "model", configuration=configuration())


def test_a_value_too_large_for_half_precision_is_refused(files, tmp_path):
    key = "quant_conv.weight"
    large = save(tmp_path / "b.ckpt", small().vae | {key: small().vae[key] + 1e5})
    with pytest.raises(CheckpointError, match=rf"^{large}: vae: quant_conv.weight holds values that float16 cannot"):
        convert(files[0], large, None, tmp_path / "model", configuration=configuration())
    assert [path.name for path in tmp_path.iterdir()] == ["b.ckpt"]


def test_placing_tensors_copies_none_but_the_joint_rows(files):
    for type_ in (torch.float32, torch.float16):
        sources = [
            Source(name, {key: x.to(type_) if x.is_floating_point() else x for key, x in tensors.items()})
            for name, tensors in (("a", small().diffusion), ("b", small().vae))
        ]
        there = {x.untyped_storage().data_ptr() for source in sources for x in source.tensors.values()}
        plan = make_plan(*sources, None, configuration())
        for name, planned in plan.networks.items():
            copied = {key for key, x in planned.state.items() if x.untyped_storage().data_ptr() not in there}
            assert all(name == "structure_encoder" and ".to_" in key for key in copied)
