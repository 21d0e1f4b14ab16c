"""The forty lip points that data sets keep, and what they say.

Point numbers: canonical face model of MediaPipe Face Mesh (Kartynnik et al. 2019).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Outer lower lip, outer upper lip, inner lower lip, inner upper lip; left to right in the picture.
LIP_POINTS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    *(185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    *(191, 80, 81, 82, 13, 312, 311, 310, 415),
)
#: Positions in ``LIP_POINTS`` of the middle of the inner lips, pairwise above each other.
INNER_UPPER = (33, 34, 35, 36, 37)
INNER_LOWER = (23, 24, 25, 26, 27)
#: Positions of the corners of the mouth.
CORNERS = (0, 10)
#: Position of every point's mirror image.
MIRRORED = (*range(10, -1, -1), *range(19, 10, -1), *range(30, 19, -1), *range(39, 30, -1))

LipPoints = NDArray[np.float32]
Openings = NDArray[np.float32]


def openings(lips: LipPoints) -> Openings:
    """Give how far the inner lips are apart, in parts of the mouth's width.

    Args:
        lips: ``(..., 40, 2)``, any unit of length.

    Returns:
        ``(...)``, 0 for a closed mouth.
    """
    gap = lips[..., INNER_LOWER, :] - lips[..., INNER_UPPER, :]
    width = np.linalg.norm(lips[..., CORNERS[1], :] - lips[..., CORNERS[0], :], axis=-1)
    height = np.linalg.norm(gap, axis=-1).mean(axis=-1)
    return np.asarray(height / np.maximum(width, 1e-6), np.float32)


def from_mesh(landmarks: NDArray[np.float32], numbers: Sequence[int] = LIP_POINTS) -> LipPoints:
    """Take the lip points out of face meshes ``(..., 468, 2)``."""
    return landmarks[..., list(numbers), :]
