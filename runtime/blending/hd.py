"""``hd``: seven steps that make the most of 96 x 96 pixels.

Always from the generator's original output: a mouth that was enlarged before has lost what the
first steps work on.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import compose_affine
from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import (
    Canvas,
    SoftPaste,
    change_of,
    paste_change,
    tuned_mouth,
)
from runtime.types import CROP_SIZE, FaceBox, Frame, Mask, MouthCrop, Patch

#: Crop pixels kept round the lips, so that the filters do not see the window's border.
MARGIN = 4
#: Enhanced pixels per crop pixel at most: beyond that there is nothing left to find, only cost.
MOST_SCALE = 3.0
_EDGE_GAIN = 0.6
_PASSES = ((0.010, 0.6), (0.025, 0.15))
_CONTRAST = 1.2
_CONTRAST_SHARE = 0.35


class Hd(SoftPaste):
    """Shows the enhanced mouth inside the lips, and the change elsewhere."""

    def __init__(self, options: BlendOptions) -> None:
        """Take the lower face as the mask's shape."""
        super().__init__(lower_face_mask, options)
        self._options = options
        self._clahe = cv2.createCLAHE(_CONTRAST, (4, 4))

    def blend(self, prepared: Canvas, mouth: MouthCrop) -> Patch:
        """Enhance and add; see ``Method``."""
        tuned = tuned_mouth(prepared, mouth, self._options)
        levels, kept = change_of(prepared, tuned)
        gained = self._gained(prepared, tuned, kept)
        return paste_change(prepared, prepared.area.enlarge(levels) + gained, kept)

    def _gained(self, canvas: Canvas, mouth: MouthCrop, kept: Mask) -> NDArray[np.float32]:
        """Give what enhancing adds to plain enlargement, inside the lips, in region pixels."""
        box, window = canvas.area.reference.box, _lip_window(canvas.lips)
        scale = np.minimum(np.array([box.width, box.height]) / CROP_SIZE, MOST_SCALE)
        size_wh = np.maximum(np.rint(scale * (window.width, window.height)).astype(int), 8)
        enhanced = enhance(mouth, window, (int(size_wh[0]), int(size_wh[1])), self._clahe)
        plain = cv2.resize(_cut(mouth, window), size_wh.tolist(), interpolation=cv2.INTER_CUBIC)
        share = cv2.resize(_cut(canvas.lips * (1 - kept), window), size_wh.tolist())
        gain = cv2.subtract(enhanced, plain, dtype=cv2.CV_32F)
        return _place(canvas, np.asarray(cv2.multiply(gain, cv2.merge([share] * 3))), window)


def enhance(mouth: MouthCrop, window: FaceBox, size_wh: tuple[int, int], clahe: cv2.CLAHE) -> Frame:
    """Enlarge a window of an original mouth crop with all the detail it can give.

    Args:
        mouth: uint8 ``(96, 96, 3)`` BGR exactly as generated, never resized.
        window: The part to enlarge, in crop pixels.
        size_wh: Width and height of the result.
        clahe: Contrast equaliser, kept by the caller because making one costs.

    Returns:
        uint8 ``(height, width, 3)`` BGR.

    Raises:
        ValueError: The crop is not the original 96 x 96.
    """
    if mouth.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise ValueError(f"hd needs the original (96, 96, 3) mouth, got {mouth.shape}")
    source = _cut(mouth, window)
    doubled = cv2.resize(source, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    edged = _unsharp(doubled, 1.6, _EDGE_GAIN)
    clean = cv2.bilateralFilter(edged, 5, 18, 2)
    sized = cv2.resize(clean, size_wh, interpolation=cv2.INTER_LANCZOS4)
    for share, gain in _PASSES:
        sized = _unsharp(sized, max(0.6, share * size_wh[0] * CROP_SIZE / window.width), gain)
    luma = cv2.cvtColor(sized, cv2.COLOR_BGR2YCrCb)
    flat = clahe.apply(luma[..., 0])
    luma[..., 0] = cv2.addWeighted(luma[..., 0], 1 - _CONTRAST_SHARE, flat, _CONTRAST_SHARE, 0)
    return _recolour(np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR), np.uint8), source)


def _unsharp(picture: cv2.typing.MatLike, sigma: float, gain: float) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(picture, 1 + gain, soft, -gain, 0), np.uint8)


def _recolour(picture: Frame, source: Frame) -> Frame:
    """Give the picture the source's colours on the scale of 4 source pixels."""
    small_wh = (source.shape[1] // 4, source.shape[0] // 4)
    wanted = cv2.resize(source, small_wh, interpolation=cv2.INTER_AREA)
    found = cv2.resize(picture, small_wh, interpolation=cv2.INTER_AREA)
    shift = cv2.subtract(wanted, found, dtype=cv2.CV_32F)
    size_wh = (picture.shape[1], picture.shape[0])
    smooth = cv2.resize(shift, size_wh, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(picture, smooth, dtype=cv2.CV_8U), np.uint8)


def _place(canvas: Canvas, picture: NDArray[np.float32], window: FaceBox) -> NDArray[np.float32]:
    """Bring an enlarged window of a crop to the pixels of the region."""
    area = canvas.area
    scale = np.array([picture.shape[1] / window.width, picture.shape[0] / window.height])
    shift = (scale - 1) / 2 - scale * (window.x1, window.y1)
    from_crop = np.column_stack([np.diag(scale), shift]).astype(np.float32)
    to_picture = compose_affine(from_crop, area.region_to_crop)
    size_wh = (area.region.width, area.region.height)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    placed = cv2.warpAffine(picture, to_picture, size_wh, flags=flags)
    return np.asarray(placed, np.float32)


def _lip_window(lips: Mask) -> FaceBox:
    rows, columns = np.flatnonzero(lips.any(1)), np.flatnonzero(lips.any(0))
    x1, y1 = max(int(columns[0]) - MARGIN, 0), max(int(rows[0]) - MARGIN, 0)
    x2, y2 = int(columns[-1]) + 1 + MARGIN, int(rows[-1]) + 1 + MARGIN
    return FaceBox(x1, y1, min(x2, CROP_SIZE), min(y2, CROP_SIZE))


def _cut(crop: NDArray[Any], window: FaceBox) -> NDArray[Any]:
    return crop[window.y1 : window.y2, window.x1 : window.x2]
