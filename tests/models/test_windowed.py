from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.windowed import WindowedDenoiser, WindowSettings, fitting_batches


class Networks:
    """Predict each place's own noise, whatever the window, and keep what they were asked."""

    def __init__(self):
        self.calls = []

    def encode(self, latents, timesteps, levels=None):
        return {latents.shape[-1]: latents}

    def denoise(self, latents, timesteps, prompt, structure, num_frames=None, deep=None):
        self.calls.append((latents, timesteps, prompt, structure, num_frames))
        return 2 * latents + structure[latents.shape[-1]]


def denoiser(structure, **options):
    networks = Networks()
    denoiser = WindowedDenoiser(networks.denoise, networks.encode, structure, None, WindowSettings(**options))
    return denoiser, networks.calls


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 13),
    height=st.integers(3, 20),
    width=st.integers(3, 20),
    overlap=st.integers(0, 4),
    tile=st.none() | st.integers(4, 12),
    batch=st.integers(1, 5),
    step=st.integers(0, 1),
    data=st.data(),
)
def test_what_does_not_depend_on_the_window_is_predicted_as_if_there_were_none(
    frames, height, width, overlap, tile, batch, step, data
):
    tiles = {}
    if tile is not None:
        name = data.draw(st.sampled_from(["tile_overlap", "tile_shift"]))
        tiles = {"tile": tile, name: data.draw(st.integers(0, tile - 1))}
    latents, structure = torch.randn(2, frames, 3, height, width)
    predict, calls = denoiser(structure, overlap=overlap, batch=batch, **tiles)
    assert torch.allclose(predict(latents, 7, step), 2 * latents + structure, atol=1e-5)
    for seen, timesteps, _, _, num_frames in calls:
        assert num_frames == 5 and len(seen) % 5 == 0 and len(seen) <= 5 * batch
        assert timesteps.tolist() == [7]


def test_one_window_of_the_whole_canvas_is_not_blended():
    latents = torch.randn(5, 4, 6, 7)
    predict, calls = denoiser(torch.zeros_like(latents))
    assert torch.equal(predict(latents, 0), 2 * latents) and len(calls) == 1


def test_disjoint_windows_are_not_blended():
    latents = torch.randn(10, 4, 6, 7)
    predict, _ = denoiser(torch.zeros_like(latents), batch=2)
    assert torch.equal(predict(latents, 0), 2 * latents)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_chunk_shorter_than_a_window_is_seen_with_its_last_frame_repeated(frames):
    latents = torch.randn(frames, 2, 4, 4)
    predict, calls = denoiser(torch.zeros_like(latents))
    assert predict(latents, 0).shape == latents.shape
    seen = calls[0][0]
    assert torch.equal(seen[:frames], latents) and all(torch.equal(x, latents[-1]) for x in seen[frames:])


def test_the_last_window_is_moved_back():
    latents = torch.arange(7.0).view(7, 1, 1, 1).expand(7, 1, 4, 4)
    predict, calls = denoiser(torch.zeros_like(latents))
    predict(latents, 0)
    assert [call[0][:, 0, 0, 0].tolist() for call in calls] == [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6]]


def test_overlapping_windows_are_blended_more_to_the_one_that_sees_more_neighbours():
    def unet(latents, timesteps, prompt, structure, num_frames=None, deep=None):
        return torch.full_like(latents, float(latents[0, 0, 0, 0]))

    latents = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    predict = WindowedDenoiser(unet, Networks().encode, 0 * latents, None, WindowSettings(overlap=2))
    # The second window begins at frame 3: frames 3 and 4 are in both, with weights (2, 1) and (1, 2).
    found = predict(latents, 0)[:, 0, 0, 0]
    assert torch.allclose(found, torch.tensor([0.0, 0, 0, 1, 2, 3, 3, 3]))


def test_structure_features_are_made_from_the_crop_of_each_tile():
    structure = torch.randn(5, 1, 8, 12)
    predict, calls = denoiser(structure, tile=8, tile_overlap=4)
    predict(torch.zeros_like(structure), 0)
    assert [torch.equal(call[3][8], structure[..., x : x + 8]) for x, call in zip((0, 4), calls, strict=True)] == [1, 1]


def test_tiles_shift_from_step_to_step():
    latents = torch.arange(16.0).expand(5, 1, 4, 16)
    predict, calls = denoiser(torch.zeros_like(latents), tile=4, tile_shift=2)
    predict(latents, 0, step=0)
    even = [int(call[0][0, 0, 0, 0]) for call in calls]
    calls.clear()
    predict(latents, 0, step=1)
    odd = [int(call[0][0, 0, 0, 0]) for call in calls]
    assert even == [0, 4, 8, 12] and odd == [0, 2, 6, 10, 12]


def test_networks_may_compute_in_another_type():
    latents = torch.randn(5, 2, 4, 4)
    predict, calls = denoiser(torch.zeros_like(latents), dtype=torch.bfloat16)
    assert predict(latents, 0).dtype == torch.float32 and calls[0][0].dtype == torch.bfloat16


@pytest.mark.parametrize(
    "options",
    [{"overlap": 5}, {"batch": 0}, {"tile": 4, "tile_overlap": 4}, {"tile": 8, "tile_overlap": 2, "tile_shift": 2}],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError):
        WindowSettings(**options)


@pytest.mark.parametrize(("frames", "overlap", "batch", "encoded"), [(9, 1, 2, 9), (9, 1, 1, 10), (3, 0, 1, 3)])
def test_structure_features_are_made_once_for_windows_that_share_frames(frames, overlap, batch, encoded):
    seen = []

    def encode(latents, timesteps, levels=None):
        seen.append(len(latents))
        return {latents.shape[-1]: latents.square()}

    latents, structure = torch.randn(2, frames, 2, 4, 6)
    settings = WindowSettings(overlap=overlap, tile=4, tile_overlap=2, batch=batch)
    found = WindowedDenoiser(Networks().denoise, encode, structure, None, settings)(latents, 0)
    assert sum(seen) == 2 * encoded
    assert torch.allclose(found, 2 * latents + structure.square(), atol=1e-4)


def test_a_batch_that_does_not_fit_in_memory_is_halved_and_nothing_else_changes():
    latents, structure = torch.randn(2, 23, 3, 8, 8)
    networks, sizes = Networks(), []

    def small_device(latents, *rest, **more):
        sizes.append(len(latents) // 5)
        if len(latents) > 10:
            raise torch.OutOfMemoryError("too much")
        return networks.denoise(latents, *rest, **more)

    settings = WindowSettings(batch=4)
    predict = WindowedDenoiser(small_device, networks.encode, structure, None, settings)
    expected = WindowedDenoiser(networks.denoise, networks.encode, structure, None, settings)(latents, 7)
    assert torch.equal(predict(latents, 7), expected)
    assert sizes == [4, 2, 2, 1]


def test_each_thread_of_a_cpu_makes_a_call_of_a_batch_and_the_results_are_the_same():
    latents, structure = torch.randn(2, 43, 3, 8, 8)
    networks, sizes = Networks(), []

    def noting(latents, *rest, **more):
        sizes.append(len(latents) // 5)
        return networks.denoise(latents, *rest, **more)

    settings = WindowSettings(batch=3)
    expected = WindowedDenoiser(networks.denoise, networks.encode, structure, None, settings)(latents, 7)
    torch.set_num_threads(2)
    assert torch.equal(WindowedDenoiser(noting, networks.encode, structure, None, settings)(latents, 7), expected)
    assert sizes[:2] == [3, 3] and sorted(sizes[2:]) == [1, 2]  # nine windows


def test_what_did_not_fit_is_not_tried_again_at_a_later_chunk_of_the_same_kind():
    networks, sizes, batches = Networks(), [], fitting_batches(4)

    def small_device(latents, *rest, **more):
        sizes.append(len(latents) // 5)
        if latents.shape[-1] == 8 and len(latents) > 10:
            raise torch.OutOfMemoryError("too much")
        return networks.denoise(latents, *rest, **more)

    for shape, calls in (((23, 3, 8, 8), [4, 2, 2, 1]), ((23, 3, 8, 8), [2, 2, 1]), ((23, 3, 4, 4), [4, 1])):
        sizes.clear()
        WindowedDenoiser(small_device, networks.encode, torch.randn(shape), None, WindowSettings(batch=4), batches)(
            torch.randn(shape), 7
        )
        assert sizes == calls
    assert batches.smallest == 2


def test_the_batch_may_be_what_the_free_memory_has_room_for(monkeypatch):
    networks, structure = Networks(), torch.randn(23, 3, 8, 8)
    latents = torch.randn_like(structure)
    one = WindowedDenoiser(networks.denoise, networks.encode, structure, None, WindowSettings())(latents, 7)
    predict, calls = denoiser(structure, batch=None)
    monkeypatch.setattr("models.memory.free_bytes", lambda device: 10**5)
    assert torch.equal(predict(latents, 7), one)
    assert len(calls[0][0]) == 5 and 5 < len(calls[1][0]) <= 20
    first = predict.batch
    assert torch.equal(predict(latents, 7), one) and predict.batch == first
