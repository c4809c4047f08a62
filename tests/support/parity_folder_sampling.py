"""The files of whole runs of a folder of vectors."""

from __future__ import annotations

from typing import Any

import torch
from parity_folder import Folder
from torch import Tensor

from models.canvas import flow_frames, from_uint8, reference_canvas, truncate_to_uint8
from models.colour_fix import adain
from models.motion import Motion
from models.sampler import START, StepRecord, sample_chunk
from models.steps import GuidanceSettings, SamplerSettings
from models.warping import resize_flow
from models.windowed import WindowSettings


def sample(
    g: Folder, structure: Tensor, context: Tensor, noise: Tensor, step_noise: Tensor, motion: Motion | None, tiled: bool
) -> list[StepRecord]:
    """A run, with noise as it is stored; the records of all steps."""
    f, records = g.form, list[StepRecord]()
    windows = WindowSettings(f.frames, tile=f.tile if tiled else None, tile_overlap=f.overlap if tiled else 0)
    guidance = GuidanceSettings("published", f.guidance) if motion is not None else GuidanceSettings()
    sample_chunk(
        g.unet,
        g.encoder,
        g.schedule,
        structure,
        context,
        lambda frame, step: noise[frame] if step == START else step_noise[int(step), frame],
        SamplerSettings(f.steps, windows=windows, guidance=guidance),
        motion,
        record=records.append,
    )
    return records


def sampling_config(g: Folder) -> dict[str, Any]:
    """What both files of runs say."""
    f = g.form
    return {
        "unet": "unet.safetensors",
        "encoder": "structcond_encoder.safetensors",
        "steps": f.steps,
        "timestep_map": g.schedule.respace(f.steps).timesteps.tolist(),
        "tile_size": f.tile,
        "tile_overlap": f.overlap,
        "guidance_scale": f.guidance,
    }


def sampling(g: Folder) -> None:
    f = g.form
    shape = (f.frames, f.unet["in_channels"], *f.canvas_hw)
    structure, noise, step_noise = g.randn(*shape), g.randn(*shape), g.randn(f.steps, *shape)
    flow1, flow0 = g.flows(*f.canvas_hw)
    motion = g.motion(flow1, flow0)
    context = g.randn(1, 9, f.unet["context_dim"])
    guided = sample(g, structure, context, noise, step_noise, motion, tiled=True)
    unguided = sample(g, structure, context, noise, step_noise, None, tiled=True)
    untiled = sample(g, structure, context, noise, step_noise, motion, tiled=False)
    ends = [guided[0], guided[-1]]
    inputs = {
        "context": context,
        "struct_cond": structure,
        "noise_T": noise,
        "x_T": g.schedule.add_noise(structure, noise, 999),
        "flow0": flow0,
        "flow1": flow1,
        "fwd_occ": motion.forward_occlusion[None],
        "bwd_occ": motion.backward_occlusion[None],
        "step_noise": step_noise,
    }
    outputs = {
        "guided.final": guided[-1].latents,
        "guided.eps_first_last": torch.stack([record.eps for record in ends]),
        "guided.latents_before_guidance_first_last": torch.stack([record.unguided for record in ends]),
        "guided.latents": torch.stack([record.latents for record in guided]),
        "guided.loss": torch.tensor([record.loss for record in guided]),
        "unguided.final": unguided[-1].latents,
        "untiled_guided.final": untiled[-1].latents,
        "untiled_guided.loss": torch.tensor([record.loss for record in untiled]),
    }
    g.write("sampling", sampling_config(g), inputs, outputs)


def end_to_end(g: Folder) -> None:
    f, vae, channels = g.form, g.vae, g.form.unet["in_channels"]
    low = g.pixels(f.frames, 3, *f.low_hw)
    canvas = reference_canvas(f.low_hw, f.upscale)
    padded = canvas.enter(from_uint8(low))
    source = tuple(side // 4 for side in canvas.padded)
    flow1_src, flow0_src = g.flows(*source)
    flow0, flow1 = (resize_flow(flow, canvas.latent(vae.downscale)) for flow in (flow0_src, flow1_src))
    motion = g.motion(flow1, flow0)
    shape = (f.frames, channels, *canvas.latent(vae.downscale))
    eps, noise, step_noise = g.randn(*shape), g.randn(*shape), g.randn(f.steps, *shape)
    context, factor = g.randn(1, 9, f.unet["context_dim"]), f.vae["scale_factor"]
    encoded = vae.encode(padded)
    initial = factor * encoded.sample(eps)
    records = sample(g, initial, context, noise, step_noise, motion, tiled=True)
    decoded = vae.decode(records[-1].latents / factor, encoded.features, f.fusion, f.frames)
    coloured = adain(decoded, padded)
    final = truncate_to_uint8(canvas.crop(coloured)).permute(0, 2, 3, 1)
    config = sampling_config(g) | {
        "vae": "vae.safetensors",
        "fusion_w": f.fusion,
        "upscale": f.upscale,
        "scale_factor": factor,
        "upsampled_hw": list(canvas.upscaled),
        "padded_hw": list(canvas.padded),
    }
    inputs = {
        "lr_uint8": low,
        "context": context,
        "flow0_src": flow0_src,
        "flow1_src": flow1_src,
        "posterior_eps": eps,
        "noise_T": noise,
        "step_noise": step_noise,
    }
    outputs = {
        "upsampled_padded_frame0": padded[0],
        "flow_input_frames01": flow_frames(padded),
        "flow0": flow0,
        "flow1": flow1,
        "fwd_occ": motion.forward_occlusion[None],
        "bwd_occ": motion.backward_occlusion[None],
        "init_latent": initial,
        "x_T": g.schedule.add_noise(initial, noise, 999),
        "latents": torch.stack([record.latents for record in records]),
        "samples": records[-1].latents,
        "decoded_frame_1": decoded[1:2],
        "adain_frame_2": coloured[2:3],
        "final_uint8_frames_0_2": final[[0, 2]],
    }
    g.write("end_to_end", config, inputs, outputs)
