"""Parity of what needs no network (golden README, sections 6-8, 10 and 11)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.parity_vectors import OUTPUT, Row, Vectors, close, close_relatively, exact, failed
from models.colour_fix import adain, wavelet
from models.guidance import PublishedGuidance
from models.losses import consistency_loss, edge_weights, frame_difference_loss, frame_difference_map, sobel
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.tiling import canvas_tiles, gaussian_weights, pixel_tiles, published_flow_tiles
from models.warping import resize_flow, warp

SCHEDULE_TOLERANCE = 1e-6
GRADIENT_TOLERANCE = 1e-8
LOSS_TOLERANCE = 1e-5
ARITHMETIC_TOLERANCE = 1e-5


def base_schedule(v: Vectors) -> DiffusionSchedule:
    """The schedule that a file's configuration names, or else the published one."""
    c = v.config
    return DiffusionSchedule.base(c.get("linear_start", 0.00085), c.get("linear_end", 0.012), c.get("timesteps", 1000))


def check_schedule(v: Vectors) -> Iterator[Row]:
    """Base and respaced coefficients, timestep maps."""
    base = base_schedule(v)
    for name in v.names(OUTPUT):
        mapped = re.fullmatch(r"timestep_map(\d+)", name)
        coefficient = re.fullmatch(r"(base|respaced)(\d+)\.(\w+)", name)
        if mapped:
            yield exact(f"{v.name} {name}", base.respace(int(mapped[1])).timesteps, v.output(name))
        elif coefficient:
            kind, steps, field = coefficient.groups()
            schedule = base if kind == "base" else base.respace(int(steps))
            found: Tensor = getattr(schedule, field)
            yield close_relatively(f"{v.name} {name}", found, v.output(name), SCHEDULE_TOLERANCE)
    for steps, expected in v.facts.get("timestep_maps", {}).items():
        if isinstance(expected, list):
            yield exact(f"{v.name} map of {steps} steps", base.respace(int(steps)).timesteps.tolist(), expected)


def check_tiles(v: Vectors) -> Iterator[Row]:
    """Blend weights; latent and pixel tiles in their order."""
    for name in v.names(OUTPUT):
        if name.startswith("weights_"):
            expected = v.output(name)
            found = gaussian_weights(*expected.shape).to(expected.dtype)
            tolerance = 1e-12 if expected.dtype == torch.float64 else 1e-6
            yield close_relatively(f"{v.name} {name}", found, expected, tolerance)
    for case in v.facts.get("canvas_cases", []):
        tiles = canvas_tiles(case["h"], case["w"], case["tile"], case["overlap"])
        label = f"{v.name} {case['w']}x{case['h']}, {case['tile']} overlapping {case['overlap']}"
        yield exact(label, [[tile.top, tile.left] for tile in tiles], case["offsets_yx_in_visit_order"])
    for case in v.facts.get("pixel_tiler_cases", []):
        yield from _check_pixel_tiles(v, case)


def _check_pixel_tiles(v: Vectors, case: dict) -> Iterator[Row]:
    pixel, flow = case["pixel"], case["flow"]
    size, stride, label = pixel["size"], pixel["stride"], f"{v.name} pixels {case['w']}x{case['h']}"
    tiles = pixel_tiles(case["h"], case["w"], size, stride)
    yield exact(label, [[t.top, t.left, t.bottom, t.right] for t in tiles], pixel["order_yxyx"])
    found = published_flow_tiles(case["h"], case["w"], size, stride, size // flow["size"])
    starts = {"y": sorted({tile.top for tile in found}), "x": sorted({tile.left for tile in found})}
    yield exact(f"{label} flow", starts, {"y": flow["y"], "x": flow["x"]})


def check_guidance(v: Vectors) -> Iterator[Row]:
    """Resized flow, masks, warp, published loss and gradient."""
    hw, odd = tuple(v.config["target_hw"]), tuple(v.config["odd_hw"])
    backward, forward = (resize_flow(v.input(f"flow{i}_src"), hw) for i in (0, 1))
    latents = v.input("latents")
    yield close(f"{v.name} flow0_resized", backward, v.output("flow0_resized"), ARITHMETIC_TOLERANCE)
    yield close(f"{v.name} flow1_resized", forward, v.output("flow1_resized"), ARITHMETIC_TOLERANCE)
    resized = resize_flow(v.input("flow0_src"), odd)
    expected = v.output("flow0_resized_odd")
    yield close(f"{v.name} flow0_resized_odd", resized.reshape(expected.shape), expected, ARITHMETIC_TOLERANCE)
    motion = Motion.from_flow(forward[0], backward[0], v.config["alpha"], v.config["beta"])
    yield from check_masks(v, motion, "output")
    for name in v.names(OUTPUT):
        if name.startswith("warp_latents0to"):
            found = warp(latents[:-1], forward[0])
            yield close(f"{v.name} {name}", found, v.output(name), ARITHMETIC_TOLERANCE)
    loss, gradient = PublishedGuidance(motion).loss_and_gradient(latents)
    yield close(f"{v.name} loss", loss.view(1), v.output("loss"), LOSS_TOLERANCE)
    yield close(f"{v.name} gradient, closed form", gradient, v.output("grad"), GRADIENT_TOLERANCE)
    leaf = latents.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(PublishedGuidance(motion).loss(leaf), leaf)
    yield close(f"{v.name} gradient, autograd", automatic, v.output("grad"), GRADIENT_TOLERANCE)
    visible = torch.zeros_like(motion.forward_occlusion)
    unmasked = PublishedGuidance(Motion(motion.forward, motion.backward, visible, visible)).loss(latents)
    yield close(f"{v.name} loss_nomask", unmasked.view(1), v.output("loss_nomask"), LOSS_TOLERANCE)


def check_masks(v: Vectors, motion: Motion, where: str) -> Iterator[Row]:
    """Occlusion masks, of which none may differ; ``where`` is "input" or "output"."""
    for name, found in (("fwd_occ", motion.forward_occlusion), ("bwd_occ", motion.backward_occlusion)):
        expected: Tensor = getattr(v, where)(name)
        yield exact(f"{v.name} {name}", found[None], expected)


def check_colours(v: Vectors) -> Iterator[Row]:
    """Both colour corrections."""
    content, style = v.input("content"), v.input("style")
    found = adain(content, style, v.config.get("eps", 1e-5))
    yield close(f"{v.name} adain", found, v.output("adain"), ARITHMETIC_TOLERANCE)
    found = wavelet(content, style, v.config.get("levels", 5))
    yield close(f"{v.name} wavelet", found, v.output("wavelet"), ARITHMETIC_TOLERANCE)


def check_losses(v: Vectors) -> Iterator[Row]:
    """The decoder's temporal losses in both orders of their arguments, with gradients."""
    first, second, edge = v.input("hr").requires_grad_(), v.input("gt"), float(v.config["w"])
    motion = Motion.from_flow(v.input("flow_former_to_latter")[0], v.input("flow_latter_to_former")[0])
    yield from check_masks(v, motion, "output")
    yield close(f"{v.name} sobel", sobel(second), v.output("sobel_gt"), ARITHMETIC_TOLERANCE)
    found = frame_difference_map(first, second).detach()
    yield close(f"{v.name} l1_diff_map", found, v.output("l1_diff_map"), ARITHMETIC_TOLERANCE)
    losses = {
        "l1_diff_mean": frame_difference_loss(first, second),
        "swc": consistency_loss(first, edge_weights(second, edge), motion),
    }
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, first)
        yield close(f"{v.name} {name}", loss.detach().view(1), v.output(name), LOSS_TOLERANCE)
        yield close(f"{v.name} {name} gradient", gradient, v.output(f"{name}_grad_hr"), GRADIENT_TOLERANCE)
    swapped = consistency_loss(second, edge_weights(first, edge), motion).detach()
    yield close(f"{v.name} swc_swapped", swapped.view(1), v.output("swc_swapped"), LOSS_TOLERANCE)
    for name, expected in v.facts.get("values", {}).items():
        if not v.has(OUTPUT + name):
            yield failed(f"{v.name} {name}", f"{expected}: a value without a tensor")
