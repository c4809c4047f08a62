"""The discriminator of the decoder's training."""

from __future__ import annotations

import pytest
import torch

from models.discriminator import PatchDiscriminator


def test_it_holds_the_tensors_of_the_published_checkpoint(official_layout):
    group = official_layout["video_vae_checkpoint"]["loss_discriminator"]
    published = {entry[0]: tuple(entry[1]) for entry in group["entries"]}
    assert {key: tuple(value.shape) for key, value in PatchDiscriminator().state_dict().items()} == published


@torch.no_grad()
def test_a_score_sees_a_patch_of_70_pixels_and_frames_are_judged_apart(seeded):
    judge = PatchDiscriminator(base_channels=4).eval()
    frames = torch.rand(2, 3, 96, 96)
    scores = judge(frames)
    assert scores.shape == (2, 1, 10, 10)
    # The score at (5, 5) sees rows 40 - 23 to 40 - 23 + 69.
    inside, outside = frames.clone(), frames.clone()
    inside[0, :, 17, 17] += 1
    outside[0, :, 16, 16] += 1
    outside[1] += 1
    assert judge(inside)[0, 0, 5, 5] != scores[0, 0, 5, 5]
    assert judge(outside)[0, 0, 5, 5] == scores[0, 0, 5, 5]


def test_widths_double_up_to_eight_times():
    judge = PatchDiscriminator(in_channels=1, base_channels=2, layers=5)
    assert [m.out_channels for m in judge.main if isinstance(m, torch.nn.Conv2d)] == [2, 4, 8, 16, 16, 16, 1]
    with pytest.raises(ValueError, match="at least one layer"):
        PatchDiscriminator(layers=0)


def test_saved_and_loaded_it_is_the_same(tmp_path, seeded):
    judge = PatchDiscriminator(base_channels=4).eval()
    judge.save_pretrained(tmp_path)
    again = PatchDiscriminator.from_pretrained(tmp_path, local_files_only=True, use_safetensors=True).eval()
    frames = torch.rand(1, 3, 40, 48)
    assert torch.equal(judge(frames), again(frames))
