"""Landmarks steadied in time without lag: the head moves as it was seen, the face's shape calmly.

A network's points shake by a few tenths of a per cent of the face's height from frame to frame.
Where the whole head goes is known well, being the mean of hundreds of points, and stays as it is.
"""

import numpy as np
from numpy.typing import NDArray

from runtime import boxes
from runtime.faces import mesh_points
from runtime.types import FaceBox

#: Frames beside a stretch that have a say in it: the widest kernel twelve, and what mixes it four.
REACH = 16
#: Kernels disagree about a shape by much smaller parts of the face than about its place: of its
#: height, up to 0.1 % is rest and from 0.33 % on motion.
SHAPE_SCALE = 1 / 6

#: float64 ``(n, 468, 2)``.
Meshes = NDArray[np.float64]


def steadied(meshes: Meshes) -> Meshes:
    """Steady the shape of one uninterrupted face.

    Args:
        meshes: Landmarks of consecutive frames, pixels.

    Returns:
        float64 ``(n, 468, 2)``, pixels. What moves the upper face as a whole - shift, roll and
        distance - is kept exactly, and so is a mouth that jumps.
    """
    if len(meshes) < 3:
        return meshes
    turns, centres = _poses(meshes)
    shapes = (meshes - centres) @ np.linalg.inv(turns)
    flat = boxes.smooth_track(shapes.reshape(len(meshes), -1), scale=SHAPE_SCALE)
    steady: Meshes = flat.reshape(shapes.shape) @ turns + centres
    return steady


def _poses(meshes: Meshes) -> tuple[Meshes, Meshes]:
    """Fit the typical upper face to each one: matrices ``(n, 2, 2)`` and centres ``(n, 1, 2)``.

    Rows of points times the matrix, plus the centre, turn a face of height 1 into the one seen.
    """
    typical = mesh_points.typical_landmarks(FaceBox(0, 0, 1, 1)).astype(np.float64)
    # The typical mesh fills its box; a face is narrower than high.
    typical *= [0.8, 1.0]
    upper = typical[:, 1] < typical[mesh_points.NOSE_TIP, 1]
    known = typical[upper] - typical[upper].mean(axis=0)
    centres = meshes[:, upper].mean(axis=1, keepdims=True)
    seen = meshes[:, upper] - centres
    size = (known**2).sum()
    along = (seen * known).sum(axis=(1, 2)) / size
    across = (seen @ np.array([[0, -1], [1, 0]]) * known).sum(axis=(1, 2)) / size
    turns = np.stack([along, across, -across, along], axis=1).reshape(-1, 2, 2)
    return turns, centres
