"""The movement of lips apart from the face that makes it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import LOWER_ROWS, UPPER_ROWS
from training.lips import CORNERS, LIP_POINTS, LipPoints, openings

Floats = NDArray[np.float32]

_ROWS = (UPPER_ROWS[0], LOWER_ROWS[0], UPPER_ROWS[3], LOWER_ROWS[3])
_ARRANGED = np.array([[LIP_POINTS.index(point) for point in row] for row in _ROWS])
#: Where in ``LIP_POINTS`` the inner upper and the inner lower contour lie, ``(2, 11)``.
INNER = _ARRANGED[2:]
_MIDDLE = slice(3, 8)
#: The head of a data set sways; lips do not move this slowly (frames, deviation of a Gaussian).
_SWAY_FRAMES = 8.0
_CLOSED = 0.015
_MOST_CLOSED = 0.03
_MOST_ROWS = 6000


def closed_frames(lips: LipPoints) -> NDArray[np.intp]:
    """Give the frames of a clip ``(n, 40, 2)`` whose lips are together; none if none really are."""
    opening = openings(lips)
    closed = np.flatnonzero(opening <= max(_CLOSED, float(np.quantile(opening, 0.1))))
    return closed if opening[closed].mean() <= _MOST_CLOSED else closed[:0]


def lip_motions(lips: LipPoints, closed: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Give the movement of a clip's lips with the head held still, and the head's sway.

    Args:
        lips: ``(n, 40, 2)``, pixels.
        closed: Frames whose lips are together.

    Returns:
        Lips against the closed mouth, in mouth widths, ``(n, 88)``: four contours of eleven points
        as in ``LipMovement``. The mouth's slow movement, ``(n, 2)``, pixels.
    """
    corners = lips[:, CORNERS]
    middle = _slow(corners.mean(1))
    across = corners[:, 1] - corners[:, 0]
    turn = _slow(np.arctan2(across[:, 1], across[:, 0])[:, None])
    cosine, sine = np.cos(turn), np.sin(turn)
    held = lips - middle[:, None]
    x, y = held[..., 0], held[..., 1]
    held = np.stack([cosine * x + sine * y, cosine * y - sine * x], -1)
    neutral = np.median(held[closed], 0)
    width = np.linalg.norm(neutral[CORNERS[1]] - neutral[CORNERS[0]])
    motions = ((held - neutral) / width)[:, _ARRANGED].reshape(len(lips), -1)
    return motions.astype(np.float32), middle


def gap_of(motions: Floats) -> Floats:
    """Give the opening of movements ``(n, 88)``, or ``(n, 4, 11, 2)``, in mouth widths."""
    rows = motions.reshape(len(motions), 4, 11, 2)
    return np.asarray((rows[:, 3, _MIDDLE, 1] - rows[:, 2, _MIDDLE, 1]).mean(1), np.float32)


def mirrored_motions(motions: Floats) -> Floats:
    """Give the movements ``(n, 88)`` that a mirror would show."""
    rows = motions.reshape(-1, 4, 11, 2)[:, :, ::-1] * np.array([-1, 1], np.float32)
    return np.asarray(rows.reshape(len(motions), -1), np.float32)


def principal(data: Floats, count: int) -> Floats:
    """Give the directions of most energy as columns, ``(d, count)``."""
    chosen = data[:: max(1, len(data) // _MOST_ROWS)]
    return np.asarray(np.linalg.svd(chosen, full_matrices=False)[2][:count].T, np.float32)


def _slow(track: Floats) -> Floats:
    """Low-pass a track ``(n, k)`` over time."""
    blurred = cv2.GaussianBlur(
        track.astype(np.float32), (1, 49), 1, sigmaY=_SWAY_FRAMES, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred, np.float32).reshape(track.shape)
