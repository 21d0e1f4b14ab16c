"""A painted face with known landmarks: a real toy object for tests that need a reference frame."""

import cv2
import numpy as np

from runtime.blending.lips import INNER_LOWER, INNER_UPPER, OUTER_LIPS
from runtime.blending.region import crop_to_frame
from runtime.crops import cut_crop, patch_to_frame
from runtime.faces.mesh_points import typical_landmarks
from runtime.planes import render, to_bgr, to_planes
from runtime.types import FaceBox, ReferenceFrame

SKIN, LIPS, INSIDE = (130, 160, 205), (95, 95, 175), (40, 30, 60)


def painted_reference(*, box_width=200, angle=0.0, has_face=True, opening=0.0):
    """Give a face on a grey wall, with skin texture, as a prepared reference frame."""
    box_height = round(box_width * 1.15)
    size = (box_height * 9 // 5 // 2 * 2, box_width * 9 // 5 // 2 * 2)
    x, y = (size[1] - box_width) // 2, (size[0] - box_height) // 2
    box = FaceBox(x, y, x + box_width, y + box_height)
    points = typical_landmarks(FaceBox(0, 0, box.width, box.height))
    affine = patch_to_frame(box, angle)
    landmarks = (points @ affine[:, :2].T + affine[:, 2]).astype(np.float32)
    frame = np.full((*size, 3), 128, np.uint8)
    centre = tuple(int(v) for v in landmarks.mean(0))
    axes = (int(box_width * 0.52), int(box_height * 0.75))
    cv2.ellipse(frame, centre, axes, angle, 0, 360, SKIN, -1, cv2.LINE_AA)
    paint_lips(frame, landmarks, opening)
    texture = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 6, size), (0, 0), 1.0)
    frame = np.clip(frame + texture[..., None], 0, 255).astype(np.uint8)
    planes = to_planes(frame)
    crop = cut_crop(frame, box, angle)
    return ReferenceFrame(0, planes, box, angle, crop, landmarks, has_face=has_face)


def paint_lips(picture, landmarks, opening):
    """Paint lips whose mouth is open by a share of its width."""
    lower = landmarks.copy()
    width = np.linalg.norm(landmarks[291] - landmarks[61])
    down = np.sin(np.linspace(0, np.pi, 11)) * opening * width
    lower[INNER_LOWER, 1] += down
    outline = landmarks[OUTER_LIPS].copy()
    outline[11:, 1] += opening * width * 0.8
    hole = np.concatenate([landmarks[INNER_UPPER], lower[INNER_LOWER][::-1]])
    for contour, colour in ((outline, LIPS), (hole, INSIDE)):
        cv2.fillPoly(picture, [np.round(contour * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def spoken(reference, opening):
    """Give a mouth as a generator would: the face's crop, blurred, with the mouth open."""
    affine = np.linalg.inv(np.vstack([crop_to_frame(reference.box, reference.angle), [0, 0, 1]]))
    points = (reference.landmarks @ affine[:2, :2].T + affine[:2, 2]).astype(np.float32)
    mouth = cv2.GaussianBlur(reference.crop, (0, 0), 1.0)
    paint_lips(mouth, points, 0.3 * opening)
    return np.ascontiguousarray(cv2.GaussianBlur(mouth, (0, 0), 0.7))


def frame_of(reference):
    """Give the reference frame as BGR."""
    return to_bgr(reference.planes)


def shown(patch):
    """Give the whole BGR frame that a patch stands for."""
    return render(patch)
