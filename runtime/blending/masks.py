"""Which pixels of a crop a mouth replaces; all masks are ``(96, 96)`` in crop pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import (
    CHIN,
    LEFT_CORNER,
    LIPS,
    LOWER_FACE,
    OUTER_LIPS,
    RIGHT_CORNER,
    Points,
)
from runtime.blending.options import NATURAL_SIZE, BlendOptions
from runtime.types import CROP_SIZE, Mask

#: ``blur_intensity`` is given for faces this wide, in pixels.
BLUR_FACE_WIDTH = 256
_BORDER = 2
_SHIFT = 4


def lower_face_mask(points: Points, options: BlendOptions) -> Mask:
    """Cover the lower face: from under the nose to just above the chin's edge.

    Args:
        points: Face mesh in crop pixels, ``(468, 2)``.
        options: ``mouth_region_size`` scales it about the mouth, ``blur_intensity`` fades it.
    """
    centre = points[LIPS].mean(0)
    scale = options.mouth_region_size / NATURAL_SIZE
    outline = centre + (points[LOWER_FACE] - centre) * scale
    outline[:, 1] = np.minimum(outline[:, 1], points[CHIN, 1])
    return _with_lips(_fade(_fill(outline), options), points)


def ellipse_mask(points: Points, options: BlendOptions) -> Mask:
    """Cover an ellipse round the mouth and the upper chin; as ``lower_face_mask``."""
    mouth, chin = points[LIPS].mean(0), points[CHIN]
    centre = mouth + 0.22 * (chin - mouth)
    size = CROP_SIZE * options.mouth_region_size
    filled = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    cv2.ellipse(
        filled,
        tuple(np.round(centre * 2**_SHIFT).astype(int).tolist()),
        tuple(np.round(np.array([0.56, 0.46]) * size * 2**_SHIFT).astype(int).tolist()),
        0,
        0,
        360,
        255,
        -1,
        cv2.LINE_8,
        _SHIFT,
    )
    return _with_lips(_fade(filled, options), points)


def lip_mask(points: Points) -> Mask:
    """Cover the lips and what they sweep while speaking, softly.

    Here the generated picture shows wholly; elsewhere the avatar's own fine detail stays.
    """
    width = float(np.linalg.norm(points[RIGHT_CORNER] - points[LEFT_CORNER]))
    lips = _fill(points[OUTER_LIPS])
    reach = max(1, round(0.07 * width))
    wide = cv2.dilate(lips, _disc(reach))
    drop = max(1, round(0.16 * width))
    shape = np.ones((drop + 1, 1), np.uint8)
    # The anchor at the bottom row makes dilation grow downwards only: the jaw opens that way.
    swept = cv2.dilate(wide, shape, anchor=(0, drop))
    kernel = 2 * max(1, round(0.08 * width)) + 1
    return np.asarray(
        cv2.GaussianBlur(swept, (kernel, kernel), 0).astype(np.float32) / 255, np.float32
    )


def _fill(outline: Points) -> NDArray[np.uint8]:
    filled = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    corners = np.round(outline * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(filled, [corners], 255, cv2.LINE_8, _SHIFT)
    return filled


def _fade(filled: NDArray[np.uint8], options: BlendOptions) -> Mask:
    """Fade a filled shape inwards, so that its border stays 0."""
    _clear_border(filled)
    radius = max(1, round(options.blur_intensity * CROP_SIZE / BLUR_FACE_WIDTH / 2))
    eroded = cv2.erode(filled, _disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if not eroded.any():
        eroded = filled
    kernel = 2 * radius + 1
    soft = cv2.GaussianBlur(eroded.astype(np.float32) / 255, (kernel, kernel), 0)
    return np.asarray(np.minimum(soft, filled.astype(np.float32) / 255), np.float32)


def _with_lips(mask: Mask, points: Points) -> Mask:
    """Add the lips: however small the region, no lip of the reference frame may show through."""
    whole = np.maximum(mask, lip_mask(points))
    _clear_border(whole)
    return whole


def _clear_border(mask: NDArray[np.uint8] | Mask) -> None:
    """Set the outermost pixels to 0: nothing is known beyond the crop."""
    for side in (slice(None, _BORDER), slice(CROP_SIZE - _BORDER, None)):
        mask[side] = 0
        mask[:, side] = 0


def _disc(radius: int) -> NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
