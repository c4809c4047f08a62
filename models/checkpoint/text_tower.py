"""The embedding of the empty prompt, from the checkpoint's own text tower (golden README, section 13).

The tower is OpenCLIP's (Cherti et al., "Reproducible scaling laws for contrastive language-image learning", 2023;
Radford et al., "Learning transferable visual models from natural language supervision", 2021): a causal transformer
with the norms before the blocks. Stable Diffusion 2 reads it one block before its end, through the final norm. As the
prompt is always empty, it is run once, block by block, and only its result is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.checkpoint.renaming import CheckpointError, select

PREFIX = "cond_stage_model.model."
"""Prefix of the tower's tensors in the published diffusion checkpoint."""

HEAD_CHANNELS = 64
"""Of every attention head: ViT-H-14's tower has 16 of them."""

BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.")
NEVER_READ = ("text_projection", "logit_scale", "attn_mask")


def unused_keys(keys: Iterable[str]) -> list[str]:
    """Return those of the tower's ``keys`` (without ``PREFIX``) that the embedding does not need."""
    keys = list(keys)
    last = count_blocks(keys) - 1
    return [key for key in keys if key in NEVER_READ or key.startswith(f"transformer.resblocks.{last}.")]


def count_blocks(keys: Iterable[str]) -> int:
    """Return the number of transformer blocks among the tower's ``keys``."""
    return 1 + max((int(found[1]) for found in map(BLOCK.match, keys) if found), default=-1)


@torch.no_grad()
def embed_empty_prompt(state: Mapping[str, Tensor]) -> Tensor:
    """Return the embedding of "" that the published system conditions on.

    Args:
        state: the tower's tensors without ``PREFIX``, and without ``unused_keys``: all blocks but the last.

    Returns:
        ``[1, L, D]`` float32; 77 tokens of 1024 channels for ViT-H-14.

    Raises:
        CheckpointError: tensors are missing, left over or of the wrong shape.
    """
    _check(state)
    table = state["token_embedding.weight"]
    positions = state["positional_embedding"]
    x = table[empty_tokens(*table.shape[:1], *positions.shape[:1])].float() + positions.float()
    x = x[None]
    for number in range(count_blocks(state)):
        block = {key: value.float() for key, value in select(state, f"transformer.resblocks.{number}.").items()}
        x = x + _attention(_norm(x, block, "ln_1"), select(block, "attn."))
        hidden = functional.gelu(_linear(_norm(x, block, "ln_2"), block, "mlp.c_fc"))
        x = x + _linear(hidden, block, "mlp.c_proj")
    return _norm(x, {key: state[key].float() for key in ("ln_final.weight", "ln_final.bias")}, "ln_final")


def empty_tokens(vocabulary: int, length: int) -> list[int]:
    """Return the tokens of "": start of text and end of text, the last two of the vocabulary, then zeros."""
    return [vocabulary - 2, vocabulary - 1] + [0] * (length - 2)


def _attention(x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Causal self-attention of ``x [1, L, D]``; the rows of ``in_proj`` are all queries, all keys, all values."""
    joint = functional.linear(x, weights["in_proj_weight"], weights["in_proj_bias"])
    query, key, value = (part.unflatten(2, (-1, HEAD_CHANNELS)).transpose(1, 2) for part in joint.chunk(3, dim=2))
    seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    return _linear(seen.transpose(1, 2).flatten(2), weights, "out_proj")


def _linear(x: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(x: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-5)


def _check(state: Mapping[str, Tensor]) -> None:
    embeddings = [state.get(key) for key in ("token_embedding.weight", "positional_embedding")]
    if any(tensor is None or tensor.ndim != 2 for tensor in embeddings):
        raise CheckpointError("the text tower has no token_embedding.weight and positional_embedding of two dimensions")
    width = state["positional_embedding"].shape[1]
    if width % HEAD_CHANNELS:
        raise CheckpointError(f"the text tower is {width} channels wide, which is no multiple of {HEAD_CHANNELS}")
    wanted = _shapes(state, width)
    complaints = [
        *(f"missing {PREFIX}{key}" for key in wanted if key not in state),
        *(f"unexpected {PREFIX}{key}" for key in state if key not in wanted),
        *(
            f"{PREFIX}{key} is {tuple(state[key].shape)}, not {shape}"
            for key, shape in wanted.items()
            if key in state and tuple(state[key].shape) != shape
        ),
    ]
    if complaints:
        more = ", ..." if len(complaints) > 5 else ""
        raise CheckpointError("the text tower does not fit: " + ", ".join(complaints[:5]) + more)


def _shapes(state: Mapping[str, Tensor], width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (state["token_embedding.weight"].shape[0], width),
        "positional_embedding": (state["positional_embedding"].shape[0], width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for number in range(max(count_blocks(state), 1)):
        block = f"transformer.resblocks.{number}."
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}{norm}.weight": (width,), f"{block}{norm}.bias": (width,)}
        shapes |= {f"{block}attn.in_proj_weight": (3 * width, width), f"{block}attn.in_proj_bias": (3 * width,)}
        for name, out, into in (
            ("attn.out_proj", width, width),
            ("mlp.c_fc", 4 * width, width),
            ("mlp.c_proj", width, 4 * width),
        ):
            shapes |= {f"{block}{name}.weight": (out, into), f"{block}{name}.bias": (out,)}
    return shapes
