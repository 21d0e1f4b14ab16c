"""Cut the face out of a frame, upright, and put upright pixels back where they came from.

A face box with an angle is a rectangle in the frame turned around the box's centre, so one affine
map takes pixels there and its exact inverse takes them back.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import CROP_SIZE, FaceBox, FaceCrop, Frame, Mask

#: Faces tilted less than this, in degrees, take the exact path without turning.
UPRIGHT_LIMIT = 8.0

#: Faces of at least this many pixels along both sides are halved before they are averaged.
HALVED_SIDE = 4 * CROP_SIZE

Affine = NDArray[np.float64]


def cut_crop(frame: Frame, box: FaceBox, angle: float = 0.0) -> FaceCrop:
    """Cut a face as the generator wants it.

    Args:
        frame: uint8 ``(h, w, 3)``, BGR.
        box: Face box; inside the frame when ``angle`` is 0.
        angle: Roll in degrees, positive when the picture's right eye is lower.

    Returns:
        uint8 ``(96, 96, 3)``, BGR, a copy.
    """
    return resize_crop(upright_patch(frame, box, angle))


def resize_crop(patch: Frame) -> FaceCrop:
    """Resize upright face pixels to the generator's size, averaging areas when shrinking.

    Large faces of even sides are halved first: that costs a tenth of averaging them at once.
    """
    while min(patch.shape[:2]) >= HALVED_SIDE and not any(side % 2 for side in patch.shape[:2]):
        size_wh = (patch.shape[1] // 2, patch.shape[0] // 2)
        patch = np.asarray(cv2.resize(patch, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    if max(patch.shape[:2]) > CROP_SIZE:
        # In float32 OpenCV averages a fifth faster than in bytes; rounded, the bits are the same.
        areas = cv2.resize(
            patch.astype(np.float32), (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA
        )
        return np.rint(areas).astype(np.uint8)
    crop = cv2.resize(patch, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(crop, np.uint8)


def upright_patch(frame: Frame, box: FaceBox, angle: float = 0.0) -> Frame:
    """Give the pixels of a face box with the face upright.

    Args:
        frame: uint8 ``(h, w, 3)``, BGR.
        box: Face box; inside the frame when ``angle`` is 0, else its border is repeated outside.
        angle: Roll in degrees.

    Returns:
        uint8 ``(box.height, box.width, 3)``; a view of the frame when ``angle`` is 0.
    """
    if angle == 0.0:
        return frame[box.y1 : box.y2, box.x1 : box.x2]
    patch = cv2.warpAffine(
        frame,
        patch_to_frame(box, angle),
        (box.width, box.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(patch, np.uint8)


def patch_to_frame(box: FaceBox, angle: float) -> Affine:
    """Give the map from pixels of the upright patch to pixels of the frame.

    Args:
        box: Face box.
        angle: Roll in degrees.

    Returns:
        float64 ``(2, 3)``; pixel centres are whole numbers, as OpenCV counts them.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([(box.width - 1) / 2, (box.height - 1) / 2])
    centre = middle + np.array([box.x1, box.y1])
    return np.hstack([turn, (centre - turn @ middle)[:, None]])


def upright_region(box: FaceBox, angle: float, size: tuple[int, int]) -> FaceBox:
    """Give the smallest even-aligned part of a frame that holds a turned box.

    Args:
        box: Face box.
        angle: Roll in degrees.
        size: Height and width of the frame, both even.

    Returns:
        A box inside the frame, all four numbers even.
    """
    right, bottom = box.width - 0.5, box.height - 0.5
    corners = np.array([(-0.5, -0.5), (right, -0.5), (-0.5, bottom), (right, bottom)])
    affine = patch_to_frame(box, angle)
    # Half a pixel turns centres into edges; a millionth keeps rounding from adding a pixel pair.
    points = corners @ affine[:, :2].T + affine[:, 2] + 0.5
    x1, y1 = (np.floor((points.min(axis=0) + 1e-6) / 2) * 2).astype(int).tolist()
    x2, y2 = (np.ceil((points.max(axis=0) - 1e-6) / 2) * 2).astype(int).tolist()
    height, width = size
    x1, y1 = min(max(x1, 0), width - 2), min(max(y1, 0), height - 2)
    return FaceBox(x1, y1, max(min(x2, width), x1 + 2), max(min(y2, height), y1 + 2))


def turn_back(
    patch: Frame, mask: Mask, box: FaceBox, angle: float, region: FaceBox
) -> tuple[Frame, Mask]:
    """Turn upright pixels and their mask back into a region of the frame.

    Args:
        patch: uint8 ``(box.height, box.width, 3)``, BGR, upright.
        mask: float32 ``(box.height, box.width)``, 0 to 1.
        box: Face box.
        angle: Roll in degrees.
        region: Where in the frame, see ``upright_region``.

    Returns:
        uint8 ``(region.height, region.width, 3)`` pixels, and their float32 mask, which is 0
        outside the box.
    """
    to_region = patch_to_frame(box, angle)
    to_region[:, 2] -= [region.x1, region.y1]
    size_wh = (region.width, region.height)
    pixels = cv2.warpAffine(
        patch, to_region, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    weights = cv2.warpAffine(mask, to_region, size_wh, flags=cv2.INTER_LINEAR)
    return np.asarray(pixels, np.uint8), np.asarray(weights, np.float32)


def paste_upright(
    frame: Frame, patch: Frame, box: FaceBox, angle: float = 0.0, mask: Mask | None = None
) -> Frame:
    """Put upright pixels back into a copy of their frame.

    Args:
        frame: uint8 ``(h, w, 3)``, BGR, height and width even.
        patch: uint8 ``(box.height, box.width, 3)``, BGR, upright.
        box: Face box.
        angle: Roll in degrees.
        mask: float32 ``(box.height, box.width)``; all ones when absent.

    Returns:
        A new frame; pixels where the turned mask is 0 are untouched.
    """
    weights = np.ones(patch.shape[:2], np.float32) if mask is None else mask
    region = box
    if angle != 0.0:
        region = upright_region(box, angle, (frame.shape[0], frame.shape[1]))
        patch, weights = turn_back(patch, weights, box, angle, region)
    pasted = frame.copy()
    below = pasted[region.y1 : region.y2, region.x1 : region.x2]
    share = weights[..., None]
    below[:] = np.rint(below * (1 - share) + patch * share).astype(np.uint8)
    return pasted
