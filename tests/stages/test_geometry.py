"""The working sizes of a chunk."""

from __future__ import annotations

from fractions import Fraction

import pytest

from models.canvas import Canvas
from models.folder import ModelFolder
from stages.geometry import canvas_of, reduction_to_source
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.table import FrameTable
from stages.setting import ModelSetting


class Folder(ModelFolder):
    """A model of which only the factor is known."""

    downscale = 8


def canvas(rows: int, columns: int, rotation: int = 0, **setting: object) -> Canvas:
    table = FrameTable(
        first=0,
        time_base=Fraction(1, 25),
        pts=(0,),
        durations=(1,),
        width=columns,
        height=rows,
        pix_fmt="yuv420p",
        rate=Fraction(25),
        colour=ColourTags(matrix=Matrix.BT470BG, range=Range.LIMITED),
        rotation=rotation,
    )
    return canvas_of(table, ModelSetting.model_validate(setting), Folder())


def test_the_published_canvas_is_reduced_to_four_times_where_it_was_enlarged_more() -> None:
    assert canvas(120, 160, canvas="published") == Canvas((120, 160), (512, 682), (544, 704), (480, 640))
    assert canvas(180, 320, canvas="published") == Canvas((180, 320), (720, 1280), (736, 1312), (720, 1280))


@pytest.mark.parametrize("scale", [2.0, 6.0])
def test_another_scale_than_the_published_one_is_what_one_gets(scale: float) -> None:
    found = canvas(100, 160, canvas="published", scale=scale)
    assert found.output == found.upscaled == (100 * scale, 160 * scale)


def test_the_exact_canvas_is_padded_only_to_the_models_multiple() -> None:
    assert canvas(90, 121, scale=1.5) == Canvas((90, 121), (135, 182), (136, 184), (135, 182))


@pytest.mark.parametrize(
    ("source", "rotation", "output"),
    [
        ((576, 720), 0, (1080, 1350)),
        ((480, 720), 0, (1080, 1620)),
        ((1080, 1920), 0, (1080, 1920)),
        ((2160, 3840), 0, (2160, 3840)),
        ((576, 720), 90, (864, 1080)),
        ((143, 175), 0, (1080, 1322)),
    ],
)
def test_a_height_is_reached_sides_to_scale_and_never_undercut(
    source: tuple[int, int], rotation: int, output: tuple[int, int]
) -> None:
    assert canvas(*source, rotation=rotation, height=1080).output == output


def test_scale_one_cleans_up_without_enlarging() -> None:
    assert canvas(90, 121, scale=1) == Canvas((90, 121), (90, 121), (96, 128), (90, 121))


def test_a_published_canvas_at_another_scale_is_as_wide_as_the_networks_need() -> None:
    assert canvas(120, 24, canvas="published", scale=1).padded == (128, 40)


@pytest.mark.parametrize(
    ("setting", "reduction"),
    [
        ({"scale": 1}, 1),
        ({"scale": 1.5}, 1),
        ({"scale": 1.75}, 1),
        ({"scale": 2}, 2),
        ({"scale": 3.5}, 3),
        ({"scale": 4}, 4),
        ({"scale": 8}, 4),
        ({"height": 478}, 4),  # 120 rows: 3.98
    ],
)
def test_frames_are_reduced_no_further_than_to_the_size_they_came_in(
    setting: dict[str, object], reduction: int
) -> None:
    assert reduction_to_source(canvas(120, 160, **setting), 4) == reduction
