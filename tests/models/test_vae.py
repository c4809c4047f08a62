from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.checkpoint import vae as official
from models.configurations import EMBEDDED, FULL
from models.vae import TemporalVAE

TINY = {"block_out_channels": (8, 8, 16), "layers_per_block": 1, "norm_groups": 4, "fusion_growth": 4, "num_frames": 3}


@torch.no_grad()
def test_encoder_matches_the_published_one(golden, vae, close):
    vectors = golden("vae")
    encoded = vae.encode(vectors.inputs["image"])
    close(torch.cat((encoded.mean, encoded.logvar), dim=1), vectors.outputs["moments"])
    close(encoded.features[0][[0, 4]], vectors.outputs["enc_fea_0_frames_0_4"])
    close(encoded.features[1], vectors.outputs["enc_fea_1"])
    sample = encoded.sample(vectors.inputs["posterior_eps"])
    close(sample, vectors.outputs["sample"])
    close(sample * vae.config.scaling_factor, vectors.outputs["scaled_latent"])


@torch.no_grad()
def test_decoder_matches_the_published_one(golden, vae, close):
    vectors = golden("vae")
    features = vae.encode(vectors.inputs["image"]).features
    latents = vectors.inputs["z"]
    close(vae.decode(latents, features, 1.0), vectors.outputs["decoded_w1.0"], 2e-4)
    for weight in (0.5, 0.0):
        decoded = vae.decode(latents, features, weight)
        close(decoded[[0, 2]], vectors.outputs[f"decoded_w{weight}_frames_0_2"], 2e-4)


@torch.no_grad()
def test_windows_decode_apart(golden, vae, close):
    vectors = golden("vae")
    image = vectors.inputs["image"]
    features = vae.encode(torch.cat((image, image.flip(0)))).features
    decoded = vae.decode(vectors.inputs["z10"], features, 1.0)
    close(decoded[[5, 9]], vectors.outputs["decoded10_w1.0_frames_5_9"], 2e-4)


def test_no_fusion_needs_no_features():
    vae = TemporalVAE(**TINY).eval()
    latents = torch.randn(3, 4, 4, 6)
    assert vae.decode(latents, fusion_weight=0.0).shape == (3, 3, 16, 24)
    with pytest.raises(ValueError, match="fusion needs 2 features, not 0"):
        vae.decode(latents)


def test_sizes_and_windows_that_do_not_fit_are_refused():
    vae = TemporalVAE(**TINY)
    with pytest.raises(ValueError, match="18x16 must be padded to multiples of 4"):
        vae.encode(torch.zeros(3, 3, 16, 18))
    with pytest.raises(ValueError, match="4 frames are not whole windows of 3"):
        vae.decode(torch.zeros(4, 4, 4, 4), fusion_weight=0.0)
    with pytest.raises(ValueError, match="must come from the same frames"):
        vae.decode(torch.zeros(3, 4, 4, 4), (torch.zeros(3, 8, 4, 4),) * 2)


def test_a_new_vae_treats_every_frame_alone(seeded):
    vae = TemporalVAE(**TINY).eval()
    latents = torch.randn(3, 4, 4, 4)
    together = vae.decode(latents, fusion_weight=0.0)
    alone = vae.decode(latents[1:2], fusion_weight=0.0, num_frames=1)
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("widths", [(8, 12), (8, 12, 16), (4, 8, 12, 16)])
def test_any_number_of_levels(widths):
    vae = TemporalVAE(block_out_channels=widths, layers_per_block=1, norm_groups=4, latent_channels=3, base_channels=4)
    images = torch.rand(5, 3, vae.downscale * 2, vae.downscale)
    assert vae.encode(images).mean.shape == (5, 3, 2, 1)
    assert vae(images).shape == images.shape


def test_saved_and_loaded_it_is_the_same(tmp_path, seeded):
    vae = TemporalVAE(**TINY).eval()
    vae.save_pretrained(tmp_path)
    again = TemporalVAE.from_pretrained(tmp_path, local_files_only=True, use_safetensors=True)
    images = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(vae(images), again(images), atol=1e-5, rtol=1e-5)


def test_full_size_has_the_published_shapes(official_layout):
    with torch.device("meta"):
        vae = TemporalVAE(**FULL.vae)
        published = {
            group["prefix"] + key: torch.empty(shape)
            for name, group in official_layout["video_vae_checkpoint"].items()
            if not name.startswith("loss_")
            for key, shape, *_ in group["entries"]
        }
    official.rename_vae(vae, published)
    assert sum(p.numel() for p in vae.parameters()) == official_layout["parameter_counts"]["video_vae"]


def test_embedded_size_is_what_it_is_said_to_be():
    with torch.device("meta"):
        vae = TemporalVAE(**EMBEDDED.vae)
    assert vae.downscale == 8
    assert 0.5e6 < sum(p.numel() for p in vae.parameters()) < 1.0e6


def test_embedded_size_stays_cheap():
    with torch.device("meta"):
        vae = TemporalVAE(**EMBEDDED.vae)
        with FlopCounterMode(display=False) as flops:
            vae(torch.empty(5, 3, 400, 720))
    assert flops.get_total_flops() / 5 < 50e9


def test_a_new_embedded_vae_gives_back_the_frame_it_fuses(seeded):
    vae = TemporalVAE(**EMBEDDED.vae).eval()
    images = torch.rand(5, 3, 16, 24) * 2 - 1
    encoded = vae.encode(images)
    assert encoded.mean.shape == (5, 8, 2, 3)
    restored = vae.decode(torch.randn_like(encoded.mean), encoded.features, 1.0)
    torch.testing.assert_close(restored, images, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(vae.decode(encoded.mean, fusion_weight=0.0), images, atol=0.1)
