"""Which of the 468 face-mesh points are lips, jaw and brows, and small plane geometry on them.

Indices: canonical face model of MediaPipe FaceMesh (Kartynnik et al. 2019). "Left" and "right" are
the picture's. Every lip row runs from the left corner to the right corner.
"""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Affine = NDArray[np.float32]

#: Upper and lower lip rows, outer contour first, ``(4, 11)``; the last row is the inner contour.
UPPER_ROWS = np.array(
    [
        [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
        [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
        [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
        [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
    ]
)
LOWER_ROWS = np.array(
    [
        [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291],
        [76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306],
        [62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292],
        [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308],
    ]
)
INNER_UPPER, INNER_LOWER = UPPER_ROWS[3], LOWER_ROWS[3]
OUTER_LIPS = np.concatenate([UPPER_ROWS[0], LOWER_ROWS[0][-2:0:-1]])
LIPS = np.unique(np.concatenate([UPPER_ROWS.ravel(), LOWER_ROWS.ravel()]))
LEFT_CORNER, RIGHT_CORNER = 61, 291
LEFT_EYE, RIGHT_EYE = 33, 263
CHIN = 152

#: Outline of the lower face: left ear, jaw, right ear, then back under the nose.
LOWER_FACE = np.concatenate(
    [
        [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, CHIN],
        [377, 400, 378, 379, 365, 397, 288, 361, 323, 454],
        [425, 358, 2, 129, 205],
    ]
)


def smoothstep(x: NDArray[np.float32] | float, low: float, high: float) -> NDArray[np.float32]:
    """Rise from 0 at ``low`` to 1 at ``high`` with level ends (Hermite)."""
    # Not np.clip: its checks take longer than the arithmetic on a row of pixels.
    t = np.minimum(np.maximum((np.asarray(x, np.float32) - low) / (high - low), 0.0), 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def apply_affine(affine: Affine, points: Points) -> Points:
    """Map ``(..., 2)`` points by a ``(2, 3)`` affine."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)


def invert_affine(affine: Affine) -> Affine:
    """Give the inverse of a ``(2, 3)`` affine."""
    (a, b, x), (c, d, y) = affine.tolist()
    inverse = np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / (a * d - b * c)
    return np.asarray(inverse, np.float32)


def compose_affine(outer: Affine, inner: Affine) -> Affine:
    """Give the affine that maps by ``inner`` first and by ``outer`` next."""
    composed = outer[:, :2] @ inner
    composed[:, 2] += outer[:, 2]
    return np.asarray(composed, np.float32)
