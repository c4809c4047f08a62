"""The files of a folder of vectors that need no network."""

from __future__ import annotations

from dataclasses import fields

import torch
from parity_folder import Folder
from torch import Tensor

from models.colour_fix import adain, wavelet
from models.guidance import PublishedGuidance
from models.losses import consistency_loss, edge_weights, frame_difference_loss, frame_difference_map, sobel
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.tiling import canvas_tiles, gaussian_weights, pixel_tiles, published_flow_tiles
from models.warping import resize_flow, warp


def schedule(g: Folder) -> None:
    config = {"linear_start": 0.001, "linear_end": 0.015, "timesteps": 800}
    base = DiffusionSchedule.base(*config.values())
    outputs, maps = {}, {}
    for name, found in (("base800", base), *((f"respaced{n}", base.respace(n)) for n in (3, 17, 800))):
        for field in fields(found):
            if field.name != "timesteps":
                outputs[f"{name}.{field.name}"] = getattr(found, field.name)
        if name.startswith("respaced"):
            number = name.removeprefix("respaced")
            outputs[f"timestep_map{number}"] = found.timesteps
            maps[number] = found.timesteps.tolist() if number != "800" else "identity 0..799"
    g.write("schedule", config, {}, outputs, timestep_maps=maps)


def tile_weights(g: Folder) -> None:
    outputs = {}
    for height, width in ((9, 14), (32, 32)):
        weights = gaussian_weights(height, width)
        outputs |= {f"weights_{width}x{height}": weights.float(), f"weights_{width}x{height}_f64": weights}
    cases = []
    for height, width, tile, overlap in ((31, 18, 12, 5), (12, 12, 12, 0), (40, 13, 13, 12)):
        tiles = canvas_tiles(height, width, tile, overlap)
        places = [[tile.top, tile.left] for tile in tiles]
        cases.append({"h": height, "w": width, "tile": tile, "overlap": overlap, "offsets_yx_in_visit_order": places})
    pixel_cases = []
    for height, width in ((640, 352), (1000, 992)):
        tiles, flow = pixel_tiles(height, width, 320, 250), published_flow_tiles(height, width, 320, 250)
        pixel_cases.append(
            {
                "h": height,
                "w": width,
                "pixel": {
                    "size": 320,
                    "stride": 250,
                    "order_yxyx": [[t.top, t.left, t.bottom, t.right] for t in tiles],
                },
                "flow": {"size": 40, "y": sorted({t.top for t in flow}), "x": sorted({t.left for t in flow})},
            }
        )
    g.write("tile_weights", {}, {}, outputs, canvas_cases=cases, pixel_tiler_cases=pixel_cases)


def motion_guidance(g: Folder) -> None:
    frames, (height, width), odd = g.form.frames, g.form.canvas_hw, (11, 5)
    latents = g.randn(frames, 3, height, width)
    sources = g.flows(2 * height, 2 * width)
    forward, backward = (resize_flow(flow, (height, width)) for flow in sources)
    motion = Motion.from_flow(forward[0], backward[0], 0.02, 0.3)
    visible = torch.zeros_like(motion.forward_occlusion)
    unmasked = PublishedGuidance(Motion(forward[0], backward[0], visible, visible))
    loss, gradient = PublishedGuidance(motion).loss_and_gradient(latents)
    outputs = {
        "flow0_resized": backward,
        "flow1_resized": forward,
        "flow0_resized_odd": resize_flow(sources[1], odd)[0],
        "fwd_occ": motion.forward_occlusion[None],
        "bwd_occ": motion.backward_occlusion[None],
        f"warp_latents0to{frames - 2}_by_flow1": warp(latents[:-1], forward[0]),
        "loss": loss.view(1),
        "grad": gradient,
        "loss_nomask": unmasked.loss(latents).view(1),
    }
    config = {"alpha": 0.02, "beta": 0.3, "target_hw": [height, width], "odd_hw": list(odd)}
    g.write("motion_guidance", config, {"flow0_src": sources[1], "flow1_src": sources[0], "latents": latents}, outputs)


def color_fix(g: Folder) -> None:
    content, style = g.randn(3, 3, 21, 50), 0.3 * g.randn(3, 3, 21, 50)
    outputs = {"adain": adain(content, style, 1e-4), "wavelet": wavelet(content, style, 3)}
    g.write("color_fix", {"eps": 1e-4, "levels": 3}, {"content": content, "style": style}, outputs)


def decoder_losses(g: Folder) -> None:
    frames, height, width = g.form.frames, 19, 13
    hr, gt = g.randn(frames, 3, height, width), g.randn(frames, 3, height, width)
    forward, backward = g.flows(height, width)
    motion = g.motion(forward, backward)

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, leaf)[0]

    with torch.enable_grad():
        leaf = hr.clone().requires_grad_()
        difference = frame_difference_loss(leaf, gt)
        consistency = consistency_loss(leaf, edge_weights(gt, 2.0), motion)
        gradients = {"l1_diff_mean_grad_hr": gradient(difference), "swc_grad_hr": gradient(consistency)}
    outputs = {
        "l1_diff_map": frame_difference_map(hr, gt),
        "l1_diff_mean": difference.view(1),
        "swc": consistency.view(1),
        "swc_swapped": consistency_loss(gt, edge_weights(hr, 2.0), motion).view(1),
        "sobel_gt": sobel(gt),
        "fwd_occ": motion.forward_occlusion[None],
        "bwd_occ": motion.backward_occlusion[None],
        **gradients,
    }
    values = {name: float(outputs[name]) for name in ("l1_diff_mean", "swc", "swc_swapped")}
    inputs = {"hr": hr, "gt": gt, "flow_former_to_latter": forward, "flow_latter_to_former": backward}
    g.write("decoder_losses", {"t": frames, "w": 2}, inputs, outputs, values=values)
