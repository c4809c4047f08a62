"""How far results agree with their sources, and how they are made to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.decode.fidelity import Figures, back_project, enlarged, low_band, reduced


def picture(height: int, width: int, seed: int = 1) -> Tensor:
    """Smooth noise [1, 3, h, w]."""
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def agreement(frame: Tensor, source: Tensor) -> float:
    size = low_band(tuple(source.shape[-2:]), tuple(frame.shape[-2:]))  # type: ignore[arg-type]
    return float(((reduced(frame, size) - reduced(source, size)) ** 2).mean())


@given(st.sampled_from([1, 2, 4]), st.floats(0.2, 1))
def test_back_projection_draws_the_low_band_to_the_source(scale: int, weight: float) -> None:
    source = picture(32, 48)
    wrong = picture(32 * scale, 48 * scale, seed=2)
    before, after = agreement(wrong, source), agreement(back_project(wrong, source, weight), source)
    assert after < before * (1.05 - weight / 2)
    if weight == 1:
        assert after < before / 30
    assert torch.equal(back_project(wrong, source, 0.0), wrong)


def test_back_projection_leaves_detail_that_the_source_cannot_have() -> None:
    source = picture(32, 48)
    fine = torch.zeros(1, 3, 128, 192)
    fine[..., ::2, ::2] = 0.1
    fine = fine - fine.mean()
    result = back_project(enlarged(source, (128, 192)) + fine, source, 1.0)
    assert float((result - enlarged(source, (128, 192)) - fine).abs().mean()) < 0.01


def facts(frame: Tensor, source: Tensor) -> dict[str, object]:
    figures = Figures()
    figures.add(frame, source)
    return dict(figures.facts())


def test_figures_of_a_plain_enlargement() -> None:
    source = picture(48, 64)
    found = facts(enlarged(source, (192, 256)), source)
    assert float(found["downscale_db"]) > 40 and float(found["ciede2000"]) < 0.5  # type: ignore[arg-type]
    assert found["sharpness_gain"] == pytest.approx(1, abs=0.01) and found["flagged"] is False
    rows = str(found["residual"]).split("; ")
    assert len(rows) == 6 and all(len(row.split()) == 8 for row in rows)


def test_another_colour_is_seen() -> None:
    source = picture(48, 64)
    red = enlarged(source, (192, 256)).clone()
    red[:, 0] += 0.1
    assert float(facts(red, source)["ciede2000"]) > 3  # type: ignore[arg-type]


def test_what_was_invented_in_one_place_is_flagged_there() -> None:
    source = picture(48, 64)
    result = enlarged(source, (192, 256)).clone()
    result[..., 64:96, 128:160] += 0.3 * (torch.rand(32, 32, generator=torch.Generator().manual_seed(3)) - 0.5).sign()
    found = facts(result, source)
    cells = [[float(cell) for cell in row.split()] for row in str(found["beyond_source"]).split("; ")]
    assert found["flagged"] is True and cells[2][4] == max(max(row) for row in cells) > 5
    assert sum(cell > 2 for row in cells for cell in row) == 1
    assert float(found["sharpness_gain"]) > 1.2  # type: ignore[arg-type]


def test_a_black_frame_does_not_decide_how_much_sharper_a_shot_is() -> None:
    source, figures = picture(48, 64), Figures()
    black = torch.zeros_like(source)
    hatched = enlarged(black, (192, 256))
    hatched[..., ::8] = 1 / 255
    figures.add(hatched, black)
    assert figures.facts()["sharpness_gain"] == 1, "a source without any detail says nothing"
    figures.add(enlarged(source, (192, 256)), source)
    assert figures.facts()["sharpness_gain"] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("size", [(48, 1), (1, 48), (1, 1)])
def test_frames_of_one_column_or_row_have_figures_too(size: tuple[int, int]) -> None:
    source = picture(48, 64)[..., : size[0], : size[1]].clone()
    found = facts(source, source)
    assert found["sharpness_gain"] == pytest.approx(1, abs=0.02)
    assert all("nan" not in str(value) for value in found.values())


def test_a_single_column_is_reduced_as_one_of_many() -> None:
    column = picture(48, 64)[..., :1].clone()
    among_many = reduced(column.expand(1, 3, 48, 4).contiguous(), (24, 4))[..., :1]
    assert torch.allclose(reduced(column, (24, 1)), among_many, atol=1e-6)


def test_nothing_is_said_of_no_frames() -> None:
    assert Figures().facts() == {}
