"""Decoded I420 frames to the engine's own planes, without a detour through BGR."""

from functools import cache
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.image import turn
from runtime.planes import split_planes
from runtime.types import Planes

FORMATS = {"yuv420p": False, "yuvj420p": True}
"""Pixel formats taken, and whether the name says full range."""
FULL_RANGE = 2
#: Weights of red and blue in luma, by ISO 23091-2 code of the matrix: BT.709; BT.601 under its
#: two names.
BT601_WEIGHTS = (0.299, 0.114)
WEIGHTS = {1: (0.2126, 0.0722), 5: BT601_WEIGHTS, 6: BT601_WEIGHTS}
#: The part of luma that comes from chroma is at most 36 levels; kept as bytes, so many a level.
LUMA_STEPS = 3.5

Plane = NDArray[np.uint8]


class _Mix(NamedTuple):
    """New planes as sums of old ones: factors of luma, U and V, then what is added."""

    luma: tuple[float, float, float, float]
    u: tuple[float, float, float]
    v: tuple[float, float, float]


def can_take(frame: av.VideoFrame, matrix: int) -> bool:
    """Tell whether ``decoded_planes`` knows a frame's format and matrix; its size must be even."""
    is_even = frame.width % 2 == 0 and frame.height % 2 == 0
    return frame.format.name in FORMATS and matrix in WEIGHTS and is_even


def decoded_planes(frame: av.VideoFrame, matrix: int, orientation: int) -> Planes:
    """Give a decoded frame upright as BT.601 planes of limited range.

    Frames that are so already keep every bit. Others change at most by rounding: converting
    between matrices mixes luma with chroma, which is repeated over its four pixels.

    Args:
        frame: As decoded; see ``can_take``.
        matrix: ISO 23091-2 code of its matrix, 1, 5 or 6.
        orientation: EXIF orientation of the stored picture.

    Returns:
        uint8 ``(h * 3 // 2, w)``.
    """
    is_full = FORMATS[frame.format.name] or int(frame.color_range) == FULL_RANGE
    stored = [turn(_view(plane), orientation) for plane in frame.planes]
    height, width = stored[0].shape
    planes = np.empty((height * 3 // 2, width), np.uint8)
    luma, u, v = split_planes(planes)
    if WEIGHTS[matrix] == BT601_WEIGHTS and not is_full:
        luma[:], u[:], v[:] = stored
        return planes
    mix = _mix(*WEIGHTS[matrix], is_full=is_full)
    _, old_u, old_v = stored
    cv2.addWeighted(old_u, mix.u[0], old_v, mix.u[1], mix.u[2], dst=u)
    cv2.addWeighted(old_u, mix.v[0], old_v, mix.v[1], mix.v[2], dst=v)
    own, from_u, from_v, added = mix.luma
    middle = 128 * (1 - LUMA_STEPS * (from_u + from_v))
    change = cv2.addWeighted(old_u, LUMA_STEPS * from_u, old_v, LUMA_STEPS * from_v, middle)
    change = cv2.resize(change, (width, height), interpolation=cv2.INTER_NEAREST)
    cv2.addWeighted(stored[0], own, change, 1 / LUMA_STEPS, added - 128 / LUMA_STEPS, dst=luma)
    return planes


def _view(plane: av.video.plane.VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


@cache
def _mix(red: float, blue: float, *, is_full: bool) -> _Mix:
    """Work out the change of matrix and range; chroma is centred at 128 in both."""
    luma_scale, chroma_scale = (219 / 255, 224 / 255) if is_full else (1.0, 1.0)
    change = _to_yuv(*BT601_WEIGHTS) @ np.linalg.inv(_to_yuv(red, blue))
    # Full scale is 219 levels of luma and 224 of chroma.
    change *= np.outer((219, 224, 224), 1 / np.array((219, 224, 224)))
    change *= np.array((luma_scale, chroma_scale, chroma_scale))
    (own, from_u, from_v), u, v = change.tolist()
    return _Mix(
        luma=(own, from_u, from_v, 16 - 16 * own * (not is_full)),
        u=(u[1], u[2], 128 * (1 - u[1] - u[2])),
        v=(v[1], v[2], 128 * (1 - v[1] - v[2])),
    )


def _to_yuv(red: float, blue: float) -> NDArray[np.float64]:
    """Give the matrix from RGB to luma and colour differences (ITU-R BT.601, BT.709)."""
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack(
        [luma, (np.array([0, 0, 1]) - luma) / 2 / (1 - blue), ([1, 0, 0] - luma) / 2 / (1 - red)]
    )
