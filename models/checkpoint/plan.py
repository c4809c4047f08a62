"""What goes where: from the tensors of the published files to the networks of a model folder, before any is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from models.checkpoint import omissions, published, raft, structure_encoder, text_tower, unet, vae, verification
from models.checkpoint.omissions import Account, Omission, Omitted
from models.checkpoint.renaming import CheckpointError
from models.configurations import Configuration
from models.raft import RAFT
from models.schedule import DiffusionSchedule

NetworkT = TypeVar("NetworkT", bound=ModelMixin)


@dataclass(frozen=True, slots=True)
class Source:
    """A published file: its name for messages, and its tensors."""

    name: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Planned:
    """One network.

    Attributes:
        source: the file that its tensors are from, for messages.
        network: its class and configuration, on the meta device.
        state: a complete state dict for it; tensors as they are in the checkpoint, mostly mapped from the file.
    """

    source: str
    network: ModelMixin
    state: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole model folder.

    Attributes:
        networks: by the name of their folder.
        text_tower: the file that the prompt was computed from, for messages.
        prompt: ``[1, L, D]`` float32, the empty prompt's embedding.
        omitted: what is left out, and why.
        warnings: what looks wrong but can be converted.
    """

    networks: Mapping[str, Planned]
    text_tower: str
    prompt: Tensor
    omitted: tuple[Omitted, ...]
    warnings: tuple[str, ...]


def make_plan(
    diffusion: Source,
    video_vae: Source,
    flow: Source | None,
    configuration: Configuration,
    skip: Iterable[str] = (),
) -> Plan:
    """Place every tensor of the published files.

    Args:
        diffusion: the diffusion checkpoint.
        video_vae: the video VAE.
        flow: RAFT's own file; None takes the copy in the diffusion checkpoint.
        configuration: sizes of the networks.
        skip: prefixes of keys to leave out of any file, on top of those that are known.

    Raises:
        CheckpointError: a file is not what it should be, or tensors are missing, left over or of the wrong shape.
    """
    accounts = _open_accounts(diffusion, video_vae, flow, tuple(skip))
    with torch.device("meta"):
        meta_unet, meta_encoder, meta_vae = configuration.build()
        meta_raft = RAFT()
    with _naming(diffusion):
        verification.check_schedule(diffusion.tensors, DiffusionSchedule.base())
        verification.check_scale(diffusion.tensors, meta_vae.config.scaling_factor)
    main, pixels, motion = accounts
    networks = {
        "unet": _place(main, unet.PREFIX, meta_unet, unet.rename_unet),
        "structure_encoder": _place(
            main, structure_encoder.PREFIX, meta_encoder, structure_encoder.rename_structure_encoder
        ),
        "vae": _place(pixels, "", meta_vae, vae.rename_vae),
        "flow": _place(motion, "" if flow else raft.PREFIX, meta_raft, raft.rename_raft),
    }
    prompt = _prompt(main, diffusion, meta_unet.config.cross_attention_dim)
    for account in accounts:
        account.close()
    omitted = dict.fromkeys(entry for account in accounts for entry in account.omitted)
    doubts = verification.compare_encoders(diffusion.tensors, video_vae.tensors)
    return Plan(networks, diffusion.name, prompt, tuple(omitted), tuple(doubts))


def _open_accounts(
    diffusion: Source, video_vae: Source, flow: Source | None, skip: tuple[str, ...]
) -> tuple[Account, Account, Account]:
    """Check what the files are, and leave out of each what is known to be left out."""
    skipped = Omission("skipped at the caller's wish", lambda key: key.startswith(skip))
    accounts = []
    for source, kind, known in (
        (diffusion, published.DIFFUSION, omissions.DIFFUSION + ((omissions.REPLACED_FLOW,) if flow else ())),
        (video_vae, published.VAE, omissions.VAE),
        *([(flow, published.FLOW, ())] if flow else []),
    ):
        with _naming(source):
            published.recognise(source.tensors, kind)
        account = Account(source.name, source.tensors)
        account.omit((*known, skipped))
        accounts.append(account)
    if flow is None and not any(key.startswith(raft.PREFIX) for key in diffusion.tensors):
        raise CheckpointError(f"{diffusion.name}: holds no {raft.PREFIX}*; give {published.FLOW.name} as well (--flow)")
    return accounts[0], accounts[1], accounts[-1] if flow else accounts[0]


def _place(
    account: Account,
    prefix: str,
    network: NetworkT,
    rename: Callable[[NetworkT, Mapping[str, Tensor]], dict[str, Tensor]],
) -> Planned:
    official = account.take(prefix)
    types = {tensor.dtype for tensor in official.values() if tensor.is_floating_point()}
    if len(types) == 1:
        # So that renaming need not convert, which would hold a whole network in memory.
        nn.Module.to(network, types.pop())
    with _naming(account):
        return Planned(account.name, network, rename(network, official))


def _prompt(account: Account, diffusion: Source, width: int) -> Tensor:
    keys = [key.removeprefix(text_tower.PREFIX) for key in diffusion.tensors if key.startswith(text_tower.PREFIX)]
    account.omit_keys((text_tower.PREFIX + key for key in text_tower.unused_keys(keys)), omissions.TEXT_TOWER)
    with _naming(account):
        prompt = text_tower.embed_empty_prompt(account.take(text_tower.PREFIX))
        if prompt.shape[2] != width:
            raise CheckpointError(f"its text tower is {prompt.shape[2]} channels wide, but its UNet reads {width}")
    return prompt


@contextmanager
def _naming(file: Source | Account) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{file.name}: {error}") from error
