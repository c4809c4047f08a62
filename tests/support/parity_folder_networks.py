"""The networks' files of a folder of vectors."""

from __future__ import annotations

import json

import torch
from official_tensors import random_like
from parity_folder import GOLDEN, Folder
from torch import Tensor, nn

from benchmarks.generated_weights import generate_weights
from models.checkpoint import raft as raft_checkpoint
from models.raft import RAFT
from models.temporal import SpatialTemporalConv, TemporalAttention


def temporal_modules(g: Folder) -> None:
    f = g.form
    for name, layer, config in (
        ("spatial_temporal_conv", SpatialTemporalConv(24), {"num_feat": 24}),
        ("temporal_attention", TemporalAttention(40, 5, 6), {"num_feat": 40, "num_heads": 5, "dim_head": 6}),
    ):
        weights = random_like(dict(layer.state_dict()), f.seed, f.eight_bits)
        layer.load_state_dict(weights)
        one = g.randn(f.frames, config["num_feat"], 3, 7)
        two = g.randn(2 * f.frames, config["num_feat"], 3, 7)
        inputs = {f"x{f.frames}": one, f"x{2 * f.frames}": two}
        outputs = {key.replace("x", "y"): layer(x, f.frames) for key, x in inputs.items()}
        g.write(name, config | {"num_frames": f.frames}, inputs, outputs, weights)


def structure_encoder(g: Folder) -> None:
    f = g.form
    x = g.randn(f.frames, f.encoder["in_channels"], *f.networks_hw)
    times = {"t0": torch.tensor([871]), "t1": torch.tensor([12]), "t_per_frame": torch.arange(f.frames) * 40}
    outputs = {}
    for name, t in times.items():
        for width, feature in g.encoder(x, t).items():
            outputs |= {f"{name}.{width}_frame1": feature[1:2]} if name == "t1" else {f"{name}.{width}": feature}
    g.write("structcond_encoder", f.encoder, {"x": x} | times, outputs, g.encoder_weights)


def denoiser(g: Folder) -> None:
    f, c, twice = g.form, g.form.unet, 2 * g.form.frames
    inputs = {
        "x": g.randn(f.frames, c["in_channels"], *f.networks_hw),
        "struct_latent": g.randn(f.frames, c["in_channels"], *f.networks_hw),
        "context": g.randn(1, 9, c["context_dim"]),
        "t_a": torch.tensor([666]),
        "t_b": torch.tensor([3]),
        f"x{twice}": g.randn(twice, c["in_channels"], *f.networks_hw),
        f"struct_latent{twice}": g.randn(twice, c["in_channels"], *f.networks_hw),
        f"t{twice}": torch.arange(twice) * 90 + 5,
        "context2": g.randn(2, 9, c["context_dim"]),
    }
    outputs, middle = {}, list[Tensor]()
    hook = g.unet.middle.register_forward_hook(lambda module, arguments, result: middle.append(result))
    for name, frames, context in (("_a", "", "context"), ("_b", "", "context"), (str(twice), str(twice), "context2")):
        structure = g.encoder(inputs[f"struct_latent{frames}"], inputs[f"t{name}"])
        x = inputs[f"x{frames}"]
        outputs[f"eps{name}"] = g.unet(x, inputs[f"t{name}"], inputs[context], structure, f.frames)
    hook.remove()
    g.write("unet", g.unet_config, inputs, outputs | {"middle_block_a": middle[0]}, g.unet_weights)


def autoencoder(g: Folder) -> None:
    f, vae = g.form, g.vae
    height, width = (side * vae.downscale for side in (3, 5))
    image = nn.functional.interpolate(g.randn(f.frames, 3, 6, 7), size=(height, width)).clamp(-1, 1)
    z, eps, twice = *(g.randn(f.frames, vae.config.latent_channels, 3, 5) for _ in range(2)), 2 * f.frames
    z_twice = g.randn(twice, vae.config.latent_channels, 3, 5)
    encoded = vae.encode(image)
    both = vae.encode(torch.cat((image, image.flip(0)))).features
    decoded = {weight: vae.decode(z, encoded.features, weight, f.frames) for weight in (1.0, 0.25, 0.0)}
    last = [0, twice - 1]
    outputs = {
        "moments": torch.cat((encoded.mean, encoded.logvar), 1),
        "mean": encoded.mean,
        "logvar": encoded.logvar,
        "std": (0.5 * encoded.logvar).exp(),
        "sample": encoded.sample(eps),
        "scaled_latent": encoded.sample(eps) * f.vae["scale_factor"],
        "enc_fea_0_frames_0_2": encoded.features[0][[0, 2]],
        **{f"enc_fea_{i}": feature for i, feature in enumerate(encoded.features) if i},
        "decoded_w1.0": decoded[1.0],
        "decoded_w0.25_frame1": decoded[0.25][1:2],
        "decoded_w0.0_frames_0_1": decoded[0.0][:2],
        f"decoded{twice}_w1.0_frames_0_{twice - 1}": vae.decode(z_twice, both, 1.0, f.frames)[last],
    }
    inputs = {"image": image, "z": z, "posterior_eps": eps, f"z{twice}": z_twice}
    g.write("vae", g.vae_config, inputs, outputs, g.vae_weights)


def flow(g: Folder) -> None:
    f, golden = g.form, json.loads((GOLDEN / "flow.json").read_text())
    keys = golden["state_dict_sorted"]
    weights = generate_weights(keys, f.seed)
    raft = raft_checkpoint.load(RAFT(iterations=f.iterations), weights).eval()
    inputs = {f"image{i}_uint8": g.pixels(1, 3, *f.flow_hw) for i in (1, 2)}
    one, two = (x.float() / 255 for x in inputs.values())
    values = {key: weights[key].flatten()[:4].tolist() for key in golden["check_values"]}
    config = {"model": "normal", "iters": f.iterations}
    outputs = {"flow_1to2": raft(one, two), "flow_2to1": raft(two, one)}
    g.write("flow", config, inputs, outputs, seed=f.seed, state_dict_sorted=keys, check_values=values)
