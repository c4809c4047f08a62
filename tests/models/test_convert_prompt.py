from __future__ import annotations

import pytest
import torch
from published_checkpoints import VOCABULARY, tower
from torch import nn

from models.checkpoint.renaming import CheckpointError
from models.checkpoint.text_tower import embed_empty_prompt, empty_tokens, unused_keys

WIDTH, BLOCKS = 128, 3


@pytest.fixture
def state():
    return tower(WIDTH, BLOCKS, torch.Generator().manual_seed(1))


@pytest.fixture
def needed(state):
    unused = unused_keys(state)
    return {key: value for key, value in state.items() if key not in unused}


@torch.no_grad()
def test_the_embedding_is_that_of_torchs_own_transformer(state, needed):
    names = {"attn.": "self_attn.", "mlp.c_fc.": "linear1.", "mlp.c_proj.": "linear2."}
    names |= {"ln_1.": "norm1.", "ln_2.": "norm2."}
    x = state["token_embedding.weight"][[VOCABULARY - 2, VOCABULARY - 1] + [0] * 75] + state["positional_embedding"]
    x = x[None]
    for number in range(BLOCKS - 1):
        layer = nn.TransformerEncoderLayer(WIDTH, WIDTH // 64, 4 * WIDTH, 0.0, "gelu", 1e-5, True, norm_first=True)
        prefix = f"transformer.resblocks.{number}."
        weights = {}
        for key, value in state.items():
            if key.startswith(prefix):
                rest = key.removeprefix(prefix)
                start = next(name for name in names if rest.startswith(name))
                weights[names[start] + rest.removeprefix(start)] = value
        layer.load_state_dict(weights)
        x = layer(x, src_mask=nn.Transformer.generate_square_subsequent_mask(77))
    norm = nn.LayerNorm(WIDTH)
    norm.load_state_dict({"weight": state["ln_final.weight"], "bias": state["ln_final.bias"]})
    embedding = embed_empty_prompt(needed)
    assert embedding.shape == (1, 77, WIDTH)
    assert (embedding - norm(x)).abs().max() < 2e-5


def test_the_tokens_are_start_end_and_zeros():
    tokens = empty_tokens(49408, 77)
    assert tokens == [49406, 49407] + [0] * 75


def test_the_end_of_the_tower_is_not_needed(state):
    assert set(unused_keys(state)) == {
        "text_projection",
        "logit_scale",
        *(key for key in state if key.startswith("transformer.resblocks.2.")),
    }
    assert "attn_mask" in unused_keys([*state, "attn_mask"])


def test_tokens_see_only_what_is_before_them(needed):
    before = embed_empty_prompt(needed)
    changed = needed["positional_embedding"].clone()
    changed[40] += 1
    after = embed_empty_prompt(needed | {"positional_embedding": changed})
    same = (before == after).all(dim=2)[0]
    assert same[:40].all() and not same[40:].any()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ln_final.bias", None, "missing cond_stage_model.model.ln_final.bias"),
        ("transformer.resblocks.0.mlp.c_fc.bias", None, "missing .*resblocks.0.mlp.c_fc.bias"),
        ("transformer.resblocks.1.attn.in_proj_weight", torch.zeros(3), r"is \(3,\), not \(384, 128\)"),
        ("transformer.extra", torch.zeros(3), "unexpected cond_stage_model.model.transformer.extra"),
        ("positional_embedding", None, "no token_embedding.weight and positional_embedding"),
        ("positional_embedding", torch.zeros(77, 100), "100 channels wide"),
    ],
)
def test_a_tower_that_does_not_fit_is_refused(needed, key, value, message):
    state = {name: x for name, x in needed.items() if name != key} | ({} if value is None else {key: value})
    with pytest.raises(CheckpointError, match=message):
        embed_empty_prompt(state)
