"""Numbers that say how good a result is: lip opening, motion in silence, seams, sharpness."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_CORNER,
    LIPS,
    RIGHT_CORNER,
)
from runtime.types import Frame, Landmarks, Mask

_MIDDLE = slice(3, 8)


def opening(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the inner-lip opening in units of the mouth's width.

    Args:
        landmarks: Face meshes, ``(..., 468, 2)``, any unit.

    Returns:
        ``(...)``: mean distance of the five middle pairs of inner-lip points divided by the
        distance of the outer mouth corners; 0 is closed, 0.2 is a spoken "a".
    """
    upper = landmarks[..., INNER_UPPER[_MIDDLE], :]
    lower = landmarks[..., INNER_LOWER[_MIDDLE], :]
    width = np.linalg.norm(
        landmarks[..., RIGHT_CORNER, :] - landmarks[..., LEFT_CORNER, :], axis=-1
    )
    gap = np.linalg.norm(lower - upper, axis=-1).mean(-1)
    return np.asarray(gap / np.maximum(width, 1e-6), np.float32)


def silence_motion(landmarks: NDArray[np.float32], speaking: Sequence[float]) -> float:
    """Measure how much the lips move while nobody speaks, in percent of the mouth's width.

    Args:
        landmarks: One face mesh per frame, ``(frames, 468, 2)``.
        speaking: Weight of speech per frame, 0 to 1, as given by ``SilenceGate``.

    Returns:
        Mean change of the inner-lip opening between neighbouring frames that are both silent
        (weight 0); 0 when there are none.
    """
    silent = np.asarray(speaking, np.float32) == 0
    pairs = silent[1:] & silent[:-1]
    if not pairs.any():
        return 0.0
    change = np.abs(np.diff(opening(landmarks)))
    return float(100 * change[pairs].mean())


def seam_step(result: Frame, source: Frame, mask: Mask) -> float:
    """Measure the visible edge that blending left at the mask's border.

    Args:
        result: The blended picture, uint8 ``(h, w, 3)`` BGR.
        source: The picture before, same shape.
        mask: Weight of the new pixels, ``(h, w)``; its border is where it leaves 0.

    Returns:
        Mean difference of neighbouring pixels across the border in ``result``, divided by the one
        at the same place in ``source``; 1 means that no edge was added. Half a grey level is
        added to both, so that a flat wall does not divide by zero.
    """
    inside = mask > 0
    across = inside[:, 1:] != inside[:, :-1]
    down = inside[1:] != inside[:-1]
    if not (across.any() or down.any()):
        return 1.0
    return _border_step(result, across, down) / _border_step(source, across, down)


def sharpness(picture: Frame, landmarks: Landmarks, *, interior: Landmarks | None = None) -> float:
    """Measure the fine detail round the lips: variance of the Laplacian, grey levels squared.

    Args:
        picture: uint8 ``(h, w, 3)`` BGR.
        landmarks: Face mesh ``(468, 2)`` that says where to look; use one for all frames of a
            still avatar, so that they are comparable.
        interior: Mesh of this very frame: its mouth interior is left out, because the edge of
            a tooth says nothing about skin and lips.
    """
    x0, y0 = landmarks[LIPS].min(0)
    x1, y1 = landmarks[LIPS].max(0)
    margin = 0.2 * (x1 - x0)
    top, left = max(int(y0 - margin), 0), max(int(x0 - margin), 0)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = cv2.Laplacian(grey, cv2.CV_32F)[top : int(y1 + margin), left : int(x1 + margin)]
    if interior is None:
        return float(detail.var())
    hole = np.zeros(detail.shape, np.uint8)
    contour = np.concatenate([interior[INNER_UPPER], interior[INNER_LOWER][::-1]]) - (left, top)
    cv2.fillPoly(hole, [contour.round().astype(np.int32)], 255)
    reach = 2 * max(2, int(0.045 * (x1 - x0))) + 1
    kept = cv2.dilate(hole, np.ones((reach, reach), np.uint8)) == 0
    return float(detail[kept].var())


def _border_step(picture: Frame, across: NDArray[np.bool_], down: NDArray[np.bool_]) -> float:
    levels = picture.astype(np.float32)
    steps = [
        np.abs(levels[:, 1:] - levels[:, :-1])[across],
        np.abs(levels[1:] - levels[:-1])[down],
    ]
    return float(np.concatenate(steps).mean()) + 0.5
