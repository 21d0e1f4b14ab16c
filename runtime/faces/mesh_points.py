"""What the 468 points of a face mesh say: framing, roll, yaw, and how far the mouth is open.

Point numbers: canonical face model of MediaPipe Face Mesh (Kartynnik et al. 2019).
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime import boxes
from runtime.types import FaceBox, Landmarks

POINT_COUNT = 468
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
#: Outer corners of the eyes, left in the picture first.
EYE_CORNERS = (33, 263)
#: Corners of the mouth, left in the picture first.
MOUTH_CORNERS = (61, 291)
#: The mouth's outer ends: both corners, top and bottom.
MOUTH_EDGES = (*MOUTH_CORNERS, 0, 17)
#: Middle of the inner lips, upper and lower, and their neighbours on both sides.
INNER_UPPER = (82, 13, 312)
INNER_LOWER = (87, 14, 317)
NOSE_TIP = 1
#: Cheeks beside the ears, left in the picture first.
FACE_SIDES = (234, 454)

#: The box starts this far from the top of the mesh to the brows ...
TOP_SHARE = 0.3
#: ... and ends this part of its height below the chin.
CHIN_SHARE = 0.03


def mesh_face_box(landmarks: Landmarks, frame_size: tuple[int, int], angle: float = 0.0) -> FaceBox:
    """Frame a face as the bundled network was trained.

    Args:
        landmarks: float32 ``(468, 2)``, pixels of the frame.
        frame_size: Height and width of the frame.
        angle: Roll in degrees to turn away first, 0 for none.

    Returns:
        The box: inside the frame for angle 0; else around the centre about which the frame is to
        be turned upright, and not clipped.
    """
    box = boxes.to_face_boxes(framing(landmarks[None], np.array([angle])))[0]
    return boxes.clip(box, frame_size) if angle == 0.0 else box


def framing(landmarks: NDArray[np.float32], angles: NDArray[np.float64]) -> boxes.BoxArray:
    """Frame many faces, before rounding and clipping.

    Args:
        landmarks: ``(n, 468, 2)``, pixels.
        angles: ``(n,)`` roll in degrees.

    Returns:
        float64 ``(n, 4)`` corners in the picture turned upright around each box's own centre.
    """
    turned = turn_points(landmarks.astype(np.float64), -angles)
    low, high = extent(turned)
    brow = turned[:, BROWS, 1].mean(axis=1)
    top = low[:, 1] + TOP_SHARE * (brow - low[:, 1])
    bottom = high[:, 1] + CHIN_SHARE * (high[:, 1] - top)
    upright = np.stack([low[:, 0], top, high[:, 0], bottom], axis=1)
    centres = boxes.to_centres(upright)
    centres[:, :2] = turn_points(centres[:, None, :2], angles)[:, 0]
    return boxes.to_corners(centres)


def extent(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the lowest and the highest x and y of groups of points.

    Args:
        points: ``(..., k, 2)``.

    Returns:
        Two arrays ``(..., 2)``.
    """
    # All x, then all y: NumPy reduces neighbours in memory three times as fast.
    columns = np.ascontiguousarray(points.swapaxes(-1, -2))
    return columns.min(axis=-1), columns.max(axis=-1)


def turn_points(points: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn groups of points around the picture's origin.

    Args:
        points: ``(n, k, 2)``, pixels.
        angles: ``(n,)`` degrees, positive from the picture's right towards its bottom.

    Returns:
        float64 ``(n, k, 2)``.
    """
    if not angles.any():
        return points
    radians = np.radians(angles)
    cosine, sine = np.cos(radians)[:, None], np.sin(radians)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1)


def roll_angle(landmarks: Landmarks) -> float:
    """Give the roll of a head in degrees, positive when the picture's right eye is lower."""
    left, right = landmarks[EYE_CORNERS[0]], landmarks[EYE_CORNERS[1]]
    return math.degrees(math.atan2(float(right[1] - left[1]), float(right[0] - left[0])))


def mouth_opening(landmarks: Landmarks) -> float:
    """Give the opening between the inner lips in parts of the mouth's width, 0 when closed."""
    gap = landmarks[list(INNER_LOWER)].mean(axis=0) - landmarks[list(INNER_UPPER)].mean(axis=0)
    across = landmarks[MOUTH_CORNERS[1]] - landmarks[MOUTH_CORNERS[0]]
    width = float(np.hypot(*across))
    # Only the part across the line between the corners counts: a tilted mouth is not open.
    opening = float(across[0] * gap[1] - across[1] * gap[0]) / max(width, 1e-6)
    return max(opening, 0.0) / max(width, 1e-6)


def yaw_share(landmarks: Landmarks) -> float:
    """Give how far the head is turned: 0 looks at the camera, towards 1 is a profile."""
    nose = landmarks[NOSE_TIP]
    left = float(np.hypot(*(nose - landmarks[FACE_SIDES[0]])))
    right = float(np.hypot(*(nose - landmarks[FACE_SIDES[1]])))
    return abs(left - right) / max(left + right, 1e-6)


def typical_landmarks(box: FaceBox) -> Landmarks:
    """Give the mesh of a frontal face in a box: for faces that no network can read.

    The mean of frontal faces read by Face Mesh, made symmetric.

    Args:
        box: Face box, framed as ``mesh_face_box`` does.

    Returns:
        float32 ``(468, 2)`` in pixels of the frame.
    """
    low = np.array([box.x1, box.y1], np.float32)
    landmarks: Landmarks = low + _typical() * np.array([box.width, box.height], np.float32)
    return landmarks


@cache
def _typical() -> Landmarks:
    with np.load(Path(__file__).with_name("typical_mesh.npz"), allow_pickle=False) as content:
        return np.asarray(content["points"], np.float32)
