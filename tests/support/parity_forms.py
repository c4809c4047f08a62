"""Systems of other sizes than the published one, for folders of vectors that the parity benchmark must take."""

from __future__ import annotations

from parity_folder import Form

DEEP = Form(
    seed=11,
    frames=5,
    unet={
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "channel_mult": [1, 2, 2],
        "attention_resolutions": [2],
        "num_res_blocks": 1,
        "num_head_channels": 16,
        "transformer_depth": 1,
        "context_dim": 24,
        "semb_channels": 32,
    },
    encoder={
        "in_channels": 4,
        "out_channels": 32,
        "model_channels": 32,
        "channel_mult": [1, 1, 2],
        "attention_resolutions": [1, 4],
        "num_res_blocks": 2,
        "num_heads": 2,
    },
    vae={
        "ddconfig": {
            "in_channels": 3,
            "out_ch": 3,
            "z_channels": 4,
            "ch": 32,
            "ch_mult": [1, 2, 1, 1],
            "num_res_blocks": 2,
        },
        "embed_dim": 4,
        "scale_factor": 0.3,
    },
    networks_hw=(8, 12),
    canvas_hw=(16, 12),
    low_hw=(17, 26),
    steps=3,
    tile=8,
    overlap=3,
    guidance=-4.0,
    fusion=0.7,
    upscale=4.0,
    flow_hw=(141, 128),
    iterations=3,
    eight_bits=True,
)
"""Three levels, padding on both sides of the whole run."""

SHALLOW = Form(
    seed=12,
    frames=3,
    unet={
        "in_channels": 6,
        "out_channels": 6,
        "model_channels": 32,
        "channel_mult": [2],
        "attention_resolutions": [1],
        "num_res_blocks": 2,
        "num_head_channels": 8,
        "transformer_depth": 2,
        "context_dim": 10,
        "semb_channels": 64,
    },
    encoder={
        "in_channels": 6,
        "out_channels": 64,
        "model_channels": 64,
        "channel_mult": [1, 1],
        "attention_resolutions": [],
        "num_res_blocks": 1,
        "num_head_channels": 16,
    },
    vae={
        "ddconfig": {
            "in_channels": 3,
            "out_ch": 3,
            "z_channels": 3,
            "ch": 32,
            "ch_mult": [1, 1, 2],
            "num_res_blocks": 1,
        },
        "embed_dim": 6,
        "scale_factor": 0.18215,
    },
    networks_hw=(5, 7),
    canvas_hw=(9, 12),
    low_hw=(12, 16),
    steps=2,
    tile=7,
    overlap=2,
    guidance=-10.0,
    fusion=1.0,
    upscale=4.0,
    flow_hw=(128, 131),
    iterations=5,
    eight_bits=False,
)
"""One level (the structure encoder has one more), odd sizes, other latent channels, windows of 3, no padding."""
