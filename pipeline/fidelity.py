"""The dial from conservative to generative: one number that becomes the settings which weigh source against network."""

from __future__ import annotations

from typing import Any


def fidelity_values(dial: float, embedded: bool) -> dict[str, Any]:
    """The settings of a position of the dial, nested as in a YAML file.

    Args:
        dial: 0 stays as near to the source as the networks allow, 1 leaves the picture to them.
        embedded: whether the networks are those that come with Reelift, or tuned from them. Nearly all that they add
            to a picture comes by the fused features, so that more of these, not fewer, make it sharper (measured:
            docs/presets.md).

    Returns:
        noise to start from (a tenth of the schedule to all of it, 0.32 in the middle), guidance towards the motion of
        the source, the weight of the encoder's features in the decoder, and how much of the source's low band is put
        back.
    """
    return {
        "sample": {
            "start": round(10 ** (dial - 1), 4),
            "guidance": {"scale": round(0.16 - 0.12 * dial, 4)},
        },
        "decode": {
            "fusion_weight": round(1 + 0.4 * dial if embedded else min(1.0, 1.5 - dial), 4),
            "back_projection": round(1.0 - dial, 4),
        },
    }
