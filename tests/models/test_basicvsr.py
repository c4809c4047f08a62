from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.basicvsr import BasicVSR, _doubled
from models.winograd import use_winograd

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tiny() -> BasicVSR:
    torch.manual_seed(0)
    return BasicVSR(channels=4, num_blocks=1, num_levels=3).eval()


def sample(name: str, count: int) -> Tensor:
    with av.open(str(ROOT / "samples" / name)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), count)]
    return torch.stack([torch.from_numpy(frame) for frame in frames]).permute(0, 3, 1, 2).float() / 255


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a.clamp(0, 1) - b).square().mean()))


def test_the_embedded_weights_beat_bicubic_by_far_on_a_real_clip() -> None:
    network = BasicVSR.from_pretrained(ROOT / "models/embedded/initial_estimate").eval()
    small = sample("city.mkv", 6)[:, :, 20:68, 60:124]
    large = sample("city_original.mkv", 6)[:, :, 80:272, 240:496]
    with torch.inference_mode():
        restored = network(small)
    bicubic = functional.interpolate(small, scale_factor=4, mode="bicubic")
    assert network.dtype == torch.float32
    assert psnr(restored, large) > psnr(bicubic, large) + 1.2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_in_half_precision_give_nearly_the_same_picture(dtype: torch.dtype) -> None:
    network = BasicVSR.from_pretrained(ROOT / "models/embedded/initial_estimate").eval()
    small = sample("city.mkv", 4)[:, :, 20:68, 60:124]
    with torch.inference_mode():
        exact = network(small).clamp(0, 1)
        found = network.refine_in(dtype)(small)
        again = network(small, keep_every=2)
    assert found.dtype == torch.float32 and network.flow_network.dtype == torch.float32
    assert 45 < psnr(found, exact) < 80 and torch.equal(found, again)


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 5), height=st.integers(1, 19), width=st.integers(1, 19), keep=st.integers(1, 6))
def test_any_size_and_number_of_frames_and_what_is_kept_does_not_matter(
    tiny: BasicVSR, count: int, height: int, width: int, keep: int
) -> None:
    frames = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(count))
    with torch.inference_mode():
        whole = tiny(frames)
        thrifty = tiny(frames, keep_every=keep)
    assert whole.shape == (count, 3, 4 * height, 4 * width)
    assert torch.isfinite(whole).all()
    assert torch.equal(whole, thrifty)


@pytest.mark.parametrize(("keep", "steps"), [(1, 9), (2, 9 + 3), (3, 9 + 4), (9, 9)])
def test_what_is_kept_is_not_computed_again(tiny: BasicVSR, keep: int, steps: int) -> None:
    taken: list[int] = []
    hook = tiny.backward_branch.register_forward_hook(lambda *_: taken.append(1))
    with hook, torch.inference_mode():
        tiny(torch.rand(9, 3, 8, 8), keep_every=keep)
    assert len(taken) == steps


def test_information_flows_from_both_ends(tiny: BasicVSR) -> None:
    frames = torch.rand(4, 3, 8, 8)
    base = tiny(frames)
    for changed in (0, 3):
        other = frames.clone()
        other[changed] = 1 - other[changed]
        assert ((tiny(other) - base).abs().amax(dim=(1, 2, 3)) > 0).all()


def test_a_batch_of_clips_is_the_clips_one_by_one_and_has_gradients(tiny: BasicVSR) -> None:
    clips = torch.rand(2, 3, 3, 8, 12)
    together = tiny(clips)
    apart = torch.stack([tiny(clip) for clip in clips])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)
    together.square().mean().backward()
    assert all(parameter.grad is not None for parameter in tiny.backward_branch.parameters())
    tiny.zero_grad()


def test_save_and_load(tiny: BasicVSR, tmp_path: Path) -> None:
    tiny.save_pretrained(tmp_path)
    frames = torch.rand(2, 3, 8, 8)
    assert torch.equal(BasicVSR.from_pretrained(tmp_path).eval()(frames), tiny(frames))


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 1, 8, 8), (3, 8, 8)])
def test_what_is_not_a_clip_is_refused(tiny: BasicVSR, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frames must be"):
        tiny(torch.zeros(shape))


@settings(max_examples=15, deadline=None)
@given(height=st.integers(8, 60), width=st.integers(1, 9), tall=st.integers(1, 20))
def test_in_bands_and_whole_is_the_same(tiny: BasicVSR, height: int, width: int, tall: int) -> None:
    frame, backward, forward = torch.rand(2, 3, height, width), *torch.randn(2, 2, 4, height, width)
    rows: list[int] = []
    hook = tiny.upconv1.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[-2]))
    with hook, pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.basicvsr.ON_CPU", tall * 16 * 4 * width)
        with torch.no_grad():
            in_bands = tiny._reconstruct(frame, backward, forward)
        whole = tiny._reconstruct(frame, backward, forward)
    *bands, last = rows
    assert last == height and len(bands) == -(-height // max(8, tall))
    torch.testing.assert_close(in_bands, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_bytes_are_those_of_one_thread(count: int) -> None:
    network = BasicVSR(channels=32, num_blocks=1, num_levels=2).eval()
    use_winograd([network])
    frames = torch.rand(count, 3, 48, 64)
    found = []
    with torch.inference_mode():
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(network(frames))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_enlarging_is_pixel_shuffle_and_keeps_the_layout(layout: torch.memory_format) -> None:
    x = torch.rand(2, 12, 5, 7).contiguous(memory_format=layout)
    doubled = _doubled(x)
    assert torch.equal(doubled, functional.pixel_shuffle(x, 2))
    assert doubled.is_contiguous(memory_format=layout), "direct convolutions are slower in the other one"
