"""Code values of Y'CbCr, R'G'B' and grey, and the colour tags that give them a meaning (ITU-T H.273).

swscale is not used for this: measured against the equations of H.273, its conversion of 16-bit and float R'G'B' is
0.39 % too bright (white at 943.8 instead of 940 in 10 bits), because it takes 65535 for 255 x 256.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stages.contract import ItemError

UNSPECIFIED = 2
"""The code point by which H.273 says "unknown", for matrix, primaries and transfer alike."""


class Matrix(IntEnum):
    """MatrixCoefficients of H.273 that Reelift can convert."""

    RGB = 0
    BT709 = 1
    FCC = 4
    BT470BG = 5
    SMPTE170M = 6
    SMPTE240M = 7
    BT2020 = 9


class Range(IntEnum):
    """FFmpeg's numbers for the range of code values."""

    UNSPECIFIED = 0
    LIMITED = 1
    FULL = 2


_LUMA_WEIGHTS = {  # H.273 table 4: KR, KB
    Matrix.BT709: (0.2126, 0.0722),
    Matrix.FCC: (0.30, 0.11),
    Matrix.BT470BG: (0.299, 0.114),
    Matrix.SMPTE170M: (0.299, 0.114),
    Matrix.SMPTE240M: (0.212, 0.087),
    Matrix.BT2020: (0.2627, 0.0593),
}


class ColourTags(BaseModel):
    """What the code values mean. ``matrix`` and ``range`` are never unspecified: silent sources are decided for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    matrix: Matrix = Field(..., description="MatrixCoefficients of H.273")
    range: Range = Field(..., description="1 limited, 2 full")
    primaries: int = Field(
        default=UNSPECIFIED, ge=0, le=255, description="ColourPrimaries of H.273, 2 if the source is silent"
    )
    transfer: int = Field(
        default=UNSPECIFIED, ge=0, le=255, description="TransferCharacteristics of H.273, 2 if silent"
    )
    siting: Literal["left", "centre"] = Field(default="left", description="horizontal position of subsampled chroma")


_WITH_BLANKING = (720, 608)


def decide_matrix(tag: int, kind: Literal["yuv", "rgb", "gray"], width: int, height: int) -> Matrix:
    """The matrix of a picture: its tag, or by size where there is none.

    Untagged pictures of 1280 columns or of more than 576 rows are taken for BT.709, those of 576 rows for BT.601 with
    625 lines (BT470BG), others for BT.601 with 525 lines (SMPTE170M): the rule that players apply. 720 columns with 608
    rows are 576 below 32 of vertical blanking (D-10, SMPTE ST 356).

    Raises:
        ItemError: the tag names a matrix that Reelift cannot convert.
    """
    if kind == "rgb":
        return Matrix.RGB
    if tag in _LUMA_WEIGHTS:
        return Matrix(tag)
    if tag not in (0, UNSPECIFIED, 3):
        raise ItemError(f"colour matrix {tag} (ITU-T H.273) is not supported; convert the video to BT.709 or BT.2020")
    if (height == 576 and width < 1280) or (width, height) == _WITH_BLANKING:
        return Matrix.BT470BG
    return Matrix.BT709 if width >= 1280 or height > 576 else Matrix.SMPTE170M


def matrix_reason(tag: int, matrix: Matrix, height: int) -> str:
    """Why ``decide_matrix`` decided for ``matrix``, in words."""
    if matrix is Matrix.RGB:
        return "R'G'B', no matrix"
    if tag == matrix:
        return f"tagged {matrix.name}"
    lines = "high definition" if matrix is Matrix.BT709 else f"{height} rows, standard definition"
    return f"untagged; {lines}, so {matrix.name}"


def decide_range(tag: int, kind: Literal["yuv", "rgb", "gray"]) -> Range:
    """The range of code values: full for R'G'B'; else the tag; else limited for Y'CbCr and full for grey, as FFmpeg."""
    if kind == "rgb":
        return Range.FULL
    if tag in (Range.LIMITED, Range.FULL):
        return Range(tag)
    return Range.LIMITED if kind == "yuv" else Range.FULL


def _luma_scale(bits: int, code_range: Range) -> tuple[float, float]:
    if code_range is Range.FULL:
        return float(2**bits - 1), 0.0
    return 219.0 * 2 ** (bits - 8), 16.0 * 2 ** (bits - 8)


def _chroma_scale(bits: int, code_range: Range) -> tuple[float, float]:
    middle = float(2 ** (bits - 1))
    return (float(2**bits - 1), middle) if code_range is Range.FULL else (224.0 * 2 ** (bits - 8), middle)


def _floats(plane: NDArray[np.generic], scale: float, zero: float) -> NDArray[np.float32]:
    return (plane.astype(np.float32) - np.float32(zero)) * np.float32(1 / scale)


def codes(plane: NDArray[np.float32], bits: int) -> NDArray[np.uint16]:
    """Round to the nearest code value of ``bits`` bits; never truncates."""
    return np.clip(np.rint(plane), 0, 2**bits - 1).astype(np.uint16)


def rgb_from_yuv(
    y: NDArray[np.generic], cb: NDArray[np.generic], cr: NDArray[np.generic], bits: int, tags: ColourTags
) -> NDArray[np.float32]:
    """Code values [h, w] of Y', Cb and Cr at full resolution -> R'G'B' [h, w, 3] in [0, 1], clipped."""
    kr, kb = _LUMA_WEIGHTS[tags.matrix]
    luma = _floats(y, *_luma_scale(bits, tags.range))
    blue = _floats(cb, *_chroma_scale(bits, tags.range))
    red = _floats(cr, *_chroma_scale(bits, tags.range))
    rgb = np.empty((*luma.shape, 3), np.float32)
    rgb[..., 0] = luma + np.float32(2 * (1 - kr)) * red
    rgb[..., 2] = luma + np.float32(2 * (1 - kb)) * blue
    rgb[..., 1] = (luma - np.float32(kr) * rgb[..., 0] - np.float32(kb) * rgb[..., 2]) * np.float32(1 / (1 - kr - kb))
    return np.clip(rgb, 0, 1, out=rgb)


def yuv_from_rgb(rgb: NDArray[np.float32], bits: int, tags: ColourTags) -> tuple[NDArray[np.float32], ...]:
    """R'G'B' [h, w, 3], clipped to [0, 1] -> Y', Cb, Cr [h, w] as code values that are not rounded yet."""
    kr, kb = _LUMA_WEIGHTS[tags.matrix]
    red, green, blue = (np.clip(rgb[..., i], 0, 1) for i in range(3))
    luma = np.float32(kr) * red + np.float32(1 - kr - kb) * green + np.float32(kb) * blue
    scale, zero = _luma_scale(bits, tags.range)
    chroma_scale, middle = _chroma_scale(bits, tags.range)
    return (
        luma * np.float32(scale) + np.float32(zero),
        (blue - luma) * np.float32(chroma_scale / (2 * (1 - kb))) + np.float32(middle),
        (red - luma) * np.float32(chroma_scale / (2 * (1 - kr))) + np.float32(middle),
    )


def rgb_from_gray(y: NDArray[np.generic], bits: int, tags: ColourTags) -> NDArray[np.float32]:
    """Code values [h, w] of grey -> R'G'B' [h, w, 3] in [0, 1], all three alike."""
    luma = np.clip(_floats(y, *_luma_scale(bits, tags.range)), 0, 1)
    return np.repeat(luma[..., None], 3, axis=2)


def gray_from_rgb(rgb: NDArray[np.float32], bits: int, tags: ColourTags) -> NDArray[np.float32]:
    """R'G'B' [h, w, 3] -> Y' [h, w] as code values that are not rounded yet, by the weights of ``tags.matrix``."""
    return yuv_from_rgb(rgb, bits, tags)[0]
