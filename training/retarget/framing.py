"""Where a portrait's face is, whether it can be used, and how it is cut out."""

import cv2
import numpy as np

from runtime.types import Frame
from training.errors import RejectedError
from training.lips import from_mesh, openings
from training.retarget.geometry import Affine, Points, invert, join
from training.retarget.points import CHIN, EYE_CORNERS, FACE_SIDES, NOSE_TIP

BROWS = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]
LEAST_FACE_PX = 90
MOST_YAW, LEAST_PITCH, MOST_PITCH, MOST_ROLL_DEG = 0.38, 0.28, 0.56, 30.0
MOST_OPEN = 0.5
#: Share of the crop that may lie outside the picture.
MOST_OUTSIDE = 0.12


def mouth_opening(mesh: Points) -> float:
    """Give the opening of the inner lips in parts of the mouth's width."""
    return float(openings(from_mesh(mesh.astype(np.float32))))


def face_box(mesh: Points) -> Points:
    """Frame a face as ``runtime.faces.mesh_face_box``, before rounding: x1, y1, x2, y2."""
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    top = low[1] + 0.3 * (mesh[BROWS, 1].mean() - low[1])
    return np.array([low[0], top, high[0], high[1] + 0.03 * (high[1] - top)])


def check_pose(image: Frame, mesh: Points, in_head: Points) -> None:
    """Refuse faces that are small, turned away, cut off or speaking.

    Raises:
        RejectedError: Says what is wrong.
    """
    height, width = image.shape[:2]
    box = face_box(mesh)
    if box[3] - box[1] < LEAST_FACE_PX:
        raise RejectedError(f"small face: {box[3] - box[1]:.0f} pixels, need {LEAST_FACE_PX}")
    left = in_head[NOSE_TIP, 0] - in_head[FACE_SIDES[0], 0]
    right = in_head[FACE_SIDES[1], 0] - in_head[NOSE_TIP, 0]
    yaw = abs(left - right) / (left + right)
    if yaw > MOST_YAW:
        raise RejectedError(f"turned aside: {yaw:.2f}, at most {MOST_YAW}")
    eye_y = in_head[EYE_CORNERS, 1].mean()
    pitch = (in_head[NOSE_TIP, 1] - eye_y) / (in_head[CHIN, 1] - eye_y)
    if not LEAST_PITCH < pitch < MOST_PITCH:
        raise RejectedError(f"turned up or down: {pitch:.2f}")
    across = mesh[EYE_CORNERS[1]] - mesh[EYE_CORNERS[0]]
    roll = abs(np.degrees(np.arctan2(across[1], across[0])))
    if roll > MOST_ROLL_DEG:
        raise RejectedError(f"head rolled by {roll:.0f} degrees")
    if mouth_opening(in_head) > MOST_OPEN:
        raise RejectedError("mouth wide open")
    if np.mean((mesh < 0) | (mesh >= [width, height])) > 0.02:
        raise RejectedError("face cut off")


def face_frame(image: Frame, mesh: Points, margin: float) -> Points:
    """Give the face box with its margin.

    Raises:
        RejectedError: Too much of it lies outside the picture.
    """
    height, width = image.shape[:2]
    box = face_box(mesh)
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * margin / 2
    frame = np.concatenate([centre - half, centre + half])
    shown = np.minimum(frame[2:], [width, height]) - np.maximum(frame[:2], 0)
    outside = 1 - float(np.prod(np.maximum(shown, 0)) / np.prod(2 * half))
    if outside > MOST_OUTSIDE or box[3] + 0.02 * (box[3] - box[1]) > height:
        raise RejectedError(f"face at the picture's border: {outside:.0%} outside")
    return frame


def cover(frame: Points, size: int) -> Affine:
    """Give the map from a box to a square picture of ``size`` pixels."""
    scale = size / (frame[2:] - frame[:2])
    centre = (frame[:2] + frame[2:]) / 2
    return np.column_stack([np.diag(scale), size / 2 - scale * centre - 0.5])


def cut_picture(image: Frame, to_crop: Affine, side: int) -> Frame:
    """Cut a square of ``side`` pixels, shrinking first so that nothing flickers."""
    size = (side, side)
    scale = float(np.abs(np.diag(to_crop[:, :2])).min())
    if scale < 0.7:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ratio = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]])
        # Pixel centres: a point at c lies at (c + 0.5) * ratio - 0.5 of the small picture.
        shrink = np.column_stack([np.diag(ratio), (ratio - 1) / 2])
        image, to_crop = np.asarray(small, np.uint8), join(to_crop, invert(shrink))
    cut = cv2.warpAffine(
        image, to_crop, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)
