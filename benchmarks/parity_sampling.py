"""Parity of sampling, and of all of it from uint8 frames to uint8 frames (golden README, sections 9 and 12)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.parity_arithmetic import base_schedule, check_masks
from benchmarks.parity_networks import load_structure_encoder, load_unet, load_vae, sibling
from benchmarks.parity_vectors import OUTPUT, Row, Vectors, close, close_relatively, exact, outliers_allowed
from models.canvas import flow_frames, from_uint8, reference_canvas, truncate_to_uint8
from models.colour_fix import adain
from models.motion import Motion
from models.sampler import START, StepRecord, sample_chunk
from models.steps import GuidanceSettings, GuidedSteps, SamplerSettings
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.warping import resize_flow
from models.windowed import WindowedDenoiser, WindowSettings

EPS_TOLERANCE = 1e-4
LATENT_TOLERANCE = 2e-3
FRAME_TOLERANCE = 2e-3
ARITHMETIC_TOLERANCE = 1e-4
LOSS_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Run:
    """The networks, inputs and settings of a file's sampling run.

    Attributes:
        vectors: the file.
        unet: its denoiser.
        encoder: its structure encoder.
        structure: ``[n, C, h, w]``.
        motion: between its frames.
        settings: as published, with the file's tiles.
    """

    vectors: Vectors
    unet: DenoisingUNet
    encoder: StructureEncoder
    structure: Tensor
    motion: Motion
    settings: SamplerSettings

    @classmethod
    def of(cls, v: Vectors, structure: Tensor, motion: Motion) -> Run:
        """With what the file's configuration says."""
        unet, c = load_unet(sibling(v, "unet")), v.config
        windows = WindowSettings(unet.config.num_frames, tile=c["tile_size"], tile_overlap=c["tile_overlap"])
        guidance = GuidanceSettings("published", c["guidance_scale"])
        settings = SamplerSettings(c["steps"], windows=windows, guidance=guidance)
        return cls(v, unet, load_structure_encoder(sibling(v, "encoder")), structure, motion, settings)

    def sample(self, settings: SamplerSettings) -> tuple[Tensor, list[StepRecord]]:
        """A run of all steps by itself, with the file's noise: the result and each step."""
        v = self.vectors
        records: list[StepRecord] = []
        result = sample_chunk(
            self.unet,
            self.encoder,
            base_schedule(v),
            self.structure,
            v.input("context"),
            lambda frame, step: v.input("noise_T")[frame] if step == START else v.input("step_noise")[int(step), frame],
            settings,
            self.motion,
            record=records.append,
        )
        return result, records

    def flip_bound(self) -> float:
        """How far one flipped sign in the last step's guidance moves an element."""
        steps = GuidedSteps(base_schedule(self.vectors), self.settings, None)
        largest = float(steps.schedule.posterior_log_variance_clipped.abs().max())
        return largest * abs(self.settings.guidance.scale) * 2 / self.structure[0].numel()

    def latents_row(self, label: str, found: Tensor, expected: Tensor) -> Row:
        """Guided latents, which may have outliers."""
        name = f"{self.vectors.name} {label}"
        return outliers_allowed(name, found, expected, LATENT_TOLERANCE, self.flip_bound())

    def single_steps(self, x_T: Tensor, expected: Tensor) -> Iterator[Row]:
        """Every step from the stored latents of the one before."""
        v = self.vectors
        steps = GuidedSteps(base_schedule(v), self.settings, self.motion)
        predict = WindowedDenoiser(self.unet, self.encoder, self.structure, v.input("context"), self.settings.windows)
        latents = x_T
        for step in range(self.settings.steps):
            eps = predict(latents, steps.timestep(step), step)
            unguided, _ = steps.advance(latents, eps, step, v.input("step_noise")[step])
            found, loss = steps.guide(unguided, step)
            yield self.latents_row(f"step {step} alone", found, expected[step])
            if v.has(OUTPUT + "guided.loss"):
                stored = v.output("guided.loss")[step : step + 1]
                yield close_relatively(f"{v.name} step {step} loss", torch.tensor([loss]), stored, LOSS_TOLERANCE)
            if v.has(OUTPUT + "guided.eps_first_last") and step in (0, self.settings.steps - 1):
                yield from self._dissected(steps, latents, eps, step, expected)
            latents = expected[step]

    def _dissected(
        self, steps: GuidedSteps, latents: Tensor, eps: Tensor, step: int, expected: Tensor
    ) -> Iterator[Row]:
        """The first and the last step in three parts, each from what is stored of the part before."""
        v, end = self.vectors, 0 if step == 0 else 1
        stored_eps = v.output("guided.eps_first_last")[end]
        stored_unguided = v.output("guided.latents_before_guidance_first_last")[end]
        unguided, _ = steps.advance(latents, stored_eps, step, v.input("step_noise")[step])
        guided, _ = steps.guide(stored_unguided, step)
        yield close(f"{v.name} step {step} blended eps", eps, stored_eps, EPS_TOLERANCE)
        yield close(f"{v.name} step {step} mean and noise", unguided, stored_unguided, ARITHMETIC_TOLERANCE)
        yield close(f"{v.name} step {step} guidance", guided, expected[step], ARITHMETIC_TOLERANCE)


def check_sampling(v: Vectors) -> Iterator[Row]:
    """Tiled and guided, unguided, and untiled runs."""
    motion = Motion(v.input("flow1")[0], v.input("flow0")[0], v.input("fwd_occ")[0], v.input("bwd_occ")[0])
    run = Run.of(v, v.input("struct_cond"), motion)
    yield from check_masks(v, Motion.from_flow(motion.forward, motion.backward), "input")
    yield from _check_start(v, run, v.input("x_T"))
    yield from run.single_steps(v.input("x_T"), v.output("guided.latents"))
    final, records = run.sample(run.settings)
    yield run.latents_row("guided.latents", torch.stack([r.latents for r in records]), v.output("guided.latents"))
    yield run.latents_row("guided.final", final, v.output("guided.final"))
    final, _ = run.sample(replace(run.settings, guidance=GuidanceSettings()))
    yield close(f"{v.name} unguided.final", final, v.output("unguided.final"), LATENT_TOLERANCE)
    untiled = replace(run.settings, windows=replace(run.settings.windows, tile=None, tile_overlap=0))
    final, records = run.sample(untiled)
    yield run.latents_row("untiled_guided.final", final, v.output("untiled_guided.final"))
    losses = torch.tensor([r.loss for r in records])
    yield close_relatively(f"{v.name} untiled_guided.loss", losses, v.output("untiled_guided.loss"), LOSS_TOLERANCE)


def _check_start(v: Vectors, run: Run, x_T: Tensor) -> Iterator[Row]:
    steps = GuidedSteps(base_schedule(v), run.settings, None)
    if "timestep_map" in v.config:
        yield exact(f"{v.name} timestep map", steps.schedule.timesteps.tolist(), v.config["timestep_map"])
    found = steps.noised(run.structure, v.input("noise_T"))
    yield close(f"{v.name} x_T", found, x_T, ARITHMETIC_TOLERANCE)


def check_end_to_end(v: Vectors) -> Iterator[Row]:
    """Each stage from what is stored of the one before, then all of it in one go."""
    vae, c = load_vae(sibling(v, "vae")), v.config
    low = v.input("lr_uint8")
    canvas = reference_canvas((low.shape[-2], low.shape[-1]), c["upscale"])
    yield exact(f"{v.name} sizes", [list(canvas.upscaled), list(canvas.padded)], [c["upsampled_hw"], c["padded_hw"]])
    padded = canvas.enter(from_uint8(low))
    yield from _check_named(v, {"upsampled_padded": padded}, ARITHMETIC_TOLERANCE)
    yield close(f"{v.name} flow input", flow_frames(padded), v.output("flow_input_frames01"), ARITHMETIC_TOLERANCE)
    backward, forward = (resize_flow(v.input(f"flow{i}_src"), canvas.latent(vae.downscale)) for i in (0, 1))
    yield close(f"{v.name} flow0", backward, v.output("flow0"), ARITHMETIC_TOLERANCE)
    yield close(f"{v.name} flow1", forward, v.output("flow1"), ARITHMETIC_TOLERANCE)
    motion = Motion.from_flow(forward[0], backward[0])
    yield from check_masks(v, motion, "output")

    encoded = vae.encode(padded)
    initial = c["scale_factor"] * encoded.sample(v.input("posterior_eps"))
    yield close(f"{v.name} initial latent", initial, v.output("init_latent"), EPS_TOLERANCE)
    run = Run.of(v, v.output("init_latent"), motion)
    yield from _check_start(v, run, v.output("x_T"))
    yield from run.single_steps(v.output("x_T"), v.output("latents"))
    yield exact(f"{v.name} samples are the last latents", v.output("latents")[-1], v.output("samples"))

    def restore(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decoded = vae.decode(samples / c["scale_factor"], encoded.features, c["fusion_w"])
        coloured = adain(decoded, padded)
        return decoded, coloured, truncate_to_uint8(canvas.crop(coloured)).permute(0, 2, 3, 1)

    decoded, coloured, final = restore(v.output("samples"))
    yield from _check_named(v, {"decoded": decoded, "adain": coloured}, FRAME_TOLERANCE)
    yield from _check_named(v, {"final_uint8": final}, 1.0)

    samples, records = replace(run, structure=initial).sample(run.settings)
    yield run.latents_row("all steps", torch.stack([r.latents for r in records]), v.output("latents"))
    final = restore(samples)[2]
    for name in v.names(OUTPUT):
        if name.startswith("final_uint8"):
            label = f"{v.name} {name} in one go"
            yield outliers_allowed(label, v.stored(name, final).float(), v.output(name).float(), 1.0, 255.0)


def _check_named(v: Vectors, found: Mapping[str, Tensor], tolerance: float) -> Iterator[Row]:
    """All outputs called ``NAME``, ``NAME_frameN`` or ``NAME_frames_N_M``."""
    for name in v.names(OUTPUT):
        whole = re.sub(r"_frames?[_\d]+$", "", name)
        if whole in found:
            yield close(f"{v.name} {name}", v.stored(name, found[whole]), v.output(name), tolerance)
