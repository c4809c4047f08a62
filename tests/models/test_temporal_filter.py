"""The temporal filter on frames whose motion is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models import temporal_filter as module
from models.temporal_filter import Neighbour, flicker, moves, steadied, temporal_filter

MOVED = 3
"""Pixels to the right from each frame to the next; a whole number, so that moving a frame loses nothing."""


FULL = torch.ones(1, 1, 6, 6)


def moving(frames: int = 3, noise: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 3, 12, 15, generator=generator) - 0.5
    texture = torch.nn.functional.interpolate(texture, scale_factor=4, mode="bicubic").clamp(-0.8, 0.8)
    views = torch.cat([texture[..., MOVED * (2 - t) : MOVED * (2 - t) + 48] for t in range(frames)])
    return views + noise * torch.randn(views.shape, generator=generator)


def beside(frame: Tensor, step: int, occluded: bool = False) -> Neighbour:
    """The neighbour ``step`` frames later, with its true motion at an eighth of the size."""
    flow = torch.tensor([step * MOVED / 8, 0.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6)
    return Neighbour(frame[None], flow, torch.full((1, 1, 6, 6), float(occluded)))


def inside(frames: Tensor) -> Tensor:
    return frames[..., 8:-8, 8:-8]


def test_what_only_moves_stays_as_it_is() -> None:
    first, this, last = moving()
    filtered = temporal_filter(this[None], [beside(first, -1), beside(last, 1)], FULL)
    assert torch.allclose(inside(filtered[0]), inside(this), atol=1e-4)


def test_flicker_goes_down_as_in_a_mean_of_three() -> None:
    clean, noisy = moving(), moving(noise=0.03)
    filtered = temporal_filter(noisy[1:2], [beside(noisy[0], -1), beside(noisy[2], 1)], FULL)
    before, after = ((inside(frame) - inside(clean[1])).std() for frame in (noisy[1], filtered[0]))
    assert 0.5 < float(after / before) < 0.65, "one over the root of three, 0.58"


def test_what_is_hidden_or_another_picture_does_not_come_through() -> None:
    _, this, last = moving()
    for other in (beside(last, 1, occluded=True), beside(-last, 1), beside(last.roll(20, -1), 1)):
        filtered = temporal_filter(this[None], [other], FULL)
        assert float((inside(filtered[0]) - inside(this)).abs().mean()) < 0.01


def test_the_weight_and_no_neighbour() -> None:
    noisy = moving(noise=0.03)
    assert torch.equal(temporal_filter(noisy[1:2].clamp(-1, 1), [], FULL), noisy[1:2].clamp(-1, 1))
    less, more = (
        temporal_filter(noisy[1:2], [beside(noisy[2], 1)], weight * FULL) - noisy[1:2] for weight in (0.25, 1.0)
    )
    assert 0.3 < float(inside(less).std() / inside(more).std()) < 0.5, "0.2 to 0.5 of the difference"


def test_it_filters_where_the_weight_is_and_nowhere_else() -> None:
    noisy = moving(noise=0.03)
    left = FULL.clone()
    left[..., 3:] = 0
    filtered = temporal_filter(noisy[1:2], [beside(noisy[2], 1)], left)
    assert torch.equal(filtered[..., 30:], noisy[1:2, ..., 30:].clamp(-1, 1))
    assert (filtered[..., 8:18] != noisy[1:2, ..., 8:18]).float().mean() > 0.9
    assert torch.equal(temporal_filter(noisy[1:2], [beside(noisy[2], 1)], 0 * FULL), noisy[1:2].clamp(-1, 1))


def test_flicker_is_what_motion_does_not_explain() -> None:
    for noise, least, most in ((0.0, 0.0, 0.01), (0.003, 0.0, 0.01), (0.018, 0.05, 0.7), (0.05, 0.99, 1.0)):
        first, this, last = moving(noise=noise)
        found = inside(flicker(this[None], [beside(first, -1), beside(last, 1)]))
        assert found.shape == (1, 1, 32, 32)
        assert least <= float(found.mean()) <= most, noise
    assert not flicker(this[None], []).any(), "nothing is known of a frame by itself"


def test_what_the_flow_does_not_explain_is_not_called_flicker_where_it_is_not_believed() -> None:
    first, this, _ = moving(noise=0.05)
    assert not flicker(this[None], [beside(first, -1, occluded=True)]).any()


SIDES = (60, 80)
"""Of an input twice as large as its flow: a pixel of the flow is two of its own."""


def still(noise: float, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """A frame and its neighbour, the same picture but for noise and so many pixels to the right."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(1, 3, 24, 32, generator=generator) - 0.5
    wide = torch.nn.functional.interpolate(coarse, scale_factor=40, mode="bicubic")
    moved = round(shift * 10)
    frames = (wide[..., 100:700:10, at : at + 800 : 10] for at in (100, 100 - moved))
    first, second = (frame + noise * torch.randn(frame.shape, generator=generator) for frame in frames)
    return first, second


def beside_still(flow: Tensor, noise: float, shift: float = 0.0) -> tuple[Tensor, Neighbour]:
    first, second = still(noise, shift)
    return first, Neighbour(second, flow, torch.zeros(1, 1, 30, 40))


def followed(flow: Tensor, noise: float, shift: float = 0.0) -> Tensor:
    frame, other = beside_still(flow, noise, shift)
    return steadied(frame, [other])[1][0]


def even_flow(x: float) -> Tensor:
    return torch.tensor([x, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 30, 40)


def jitter(size: float) -> Tensor:
    return size * torch.randn(1, 2, 30, 40, generator=torch.Generator().manual_seed(1))


def test_what_only_jitters_stands_still() -> None:
    flow = jitter(0.12)
    assert float(followed(flow, noise=0.1).abs().mean()) < 0.1 * float(flow.abs().mean())


def test_slow_motion_of_a_whole_place_goes_on() -> None:
    flow = even_flow(0.35) + jitter(0.12)
    assert torch.equal(followed(flow, noise=0.1), flow)


def test_a_small_thing_that_moves_before_a_still_ground_goes_on() -> None:
    flow = even_flow(0.0)
    flow[..., 14:16, 20:22] = 0.7
    assert torch.equal(followed(flow, noise=0.1), flow)


def test_a_flow_that_explains_the_frames_is_followed_however_slow() -> None:
    flow = even_flow(0.15)
    clear, hidden = (followed(flow, noise, shift=0.3) for noise in (0.0, 0.3))
    assert torch.equal(clear[..., 4:-4, 4:-4], flow[..., 4:-4, 4:-4])
    assert float(hidden.mean()) < 0.8 * float(clear.mean())


def test_what_stands_still_counts_in_full_though_the_input_does_not_flicker() -> None:
    right = even_flow(0.0)
    right[..., 20:] = 1.0
    frame, other = beside_still(right, noise=0.001)
    amount, (flow,) = steadied(frame, [other])
    assert not flicker(frame, [Neighbour(other.frame, 0 * right, other.occlusion)]).any()
    assert amount.shape == (1, 1, *SIDES) and float(amount[..., 4:-4, 8:20].min()) == 1
    assert float(moves(frame, other)[..., 22:].min()) == 1 and torch.equal(flow[..., 22:], right[..., 22:])


def test_what_moves_steadily_does_not_count() -> None:
    first, this, last = moving()
    amount, flows = steadied(this[None], [beside(first, -1), beside(last, 1)])
    assert not inside(amount).any() and torch.equal(flows[1], beside(last, 1).flow)


def test_a_frame_by_itself_has_nothing_to_count() -> None:
    amount, flows = steadied(moving()[:1], [])
    assert not amount.any() and flows == []


@pytest.mark.parametrize(("size", "side"), [((20, 30), 7), ((9, 5), 9), ((4, 3), 31), ((1, 1), 3), ((6, 40), 1)])
def test_means_of_squares_are_those_of_what_lies_inside(size: tuple[int, int], side: int) -> None:
    values = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = torch.empty_like(values)
    reach = side // 2
    for row in range(size[0]):
        for column in range(size[1]):
            rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (row, column))
            expected[..., row, column] = values[..., rows, columns].mean(dim=(-2, -1))
    torch.testing.assert_close(module.mean_around(values, side), expected)
