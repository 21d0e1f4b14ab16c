"""A still portrait: checked, cropped, its own expression taken off, covered with triangles."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import Frame
from training.corpus import MARGIN
from training.errors import RejectedError
from training.retarget.colours import Colour, pixels_inside, skin_colour, teeth_colour
from training.retarget.framing import check_pose, cover, cut_picture, face_frame, mouth_opening
from training.retarget.geometry import Affine, Points, apply, fit_similarity, invert, join, rise
from training.retarget.neutral import without_expression
from training.retarget.points import (
    INSIDE,
    LOWER_RINGS,
    OVAL,
    RING_LENGTH,
    SELLION,
    STABLE,
    UPPER_RINGS,
    lip_triangles,
)
from training.retarget.reference import reference_head
from training.retarget.topology import smoother, triangulate

#: Side of the picture that is drawn; data sets keep 128.
DRAWN_SIZE = 192
_TEETH_FROM = 0.12
_LEAST_TEETH = 30
#: The portrait's own teeth stay out of its lips: rings are read this much further out.
_LIP_INSET = 0.022


class Portrait:
    """A portrait ready to talk.

    Attributes:
        crop: uint8 ``(192, 192, 3)``, the face box in the middle.
        neutral: ``(468, 2)`` head frame, mouth closed, part of a smile taken off.
        to_crop: ``(2, 3)`` from the head frame to pixels of ``crop``.
        triangles: ``(m, 3)`` over the whole crop, numbers of mesh points and then of ``anchors``.
        anchors: ``(k, 2)`` points around the face that stay, pixels of ``crop``.
        source: ``(468 + k, 2)`` where every point's picture is in ``crop``.
        smoothing: ``(468, 468)``: spreads the motion of a point to its neighbours.
        skin: Its colour.
        teeth: Their colour where the portrait shows them.
        opening: Of its own mouth, in parts of the mouth's width.
    """

    def __init__(self, image: Frame, mesh: Points, *, smile: float = 0.45) -> None:
        """Prepare a portrait.

        Args:
            image: uint8 ``(h, w, 3)`` BGR.
            mesh: ``(468, 2)``, pixels of ``image``.
            smile: How much of a smile to take off, 0 to 1.

        Raises:
            RejectedError: Too small, turned away, cut off, covered, or the mouth is wide open.
        """
        to_image = invert(fit_similarity(mesh[STABLE], reference_head().mesh[STABLE]))
        in_head = apply(invert(to_image), mesh)
        self.opening = mouth_opening(in_head)
        check_pose(image, mesh, in_head)
        self.neutral = without_expression(in_head, smile)
        frame = face_frame(image, apply(to_image, self.neutral), MARGIN)
        image_to_crop = cover(frame, DRAWN_SIZE)
        self.crop = cut_picture(image, image_to_crop, DRAWN_SIZE)
        self.to_crop = join(image_to_crop, to_image)
        self.skin = skin_colour(image, mesh)
        self._refuse_covered_mouth(in_head)
        self.anchors = _anchors(in_head, self.to_crop)
        placed = apply(self.to_crop, self.neutral)
        self.triangles, edges = triangulate(placed, self.anchors)
        self.smoothing = smoother(placed, edges)
        self.source = np.concatenate(
            [apply(self.to_crop, _inset(in_head, self.opening)), self.anchors]
        )
        self.teeth = self._own_teeth(in_head)

    @property
    def eye_distance(self) -> float:
        """Distance of the outer corners of the eyes, pixels of ``crop``."""
        return float(np.sqrt(abs(np.linalg.det(self.to_crop[:, :2]))))

    def _own_teeth(self, in_head: Points) -> Colour | None:
        if self.opening <= _TEETH_FROM:
            return None
        pixels = pixels_inside(self.crop, apply(self.to_crop, in_head)[INSIDE])
        return teeth_colour(pixels) if len(pixels) > _LEAST_TEETH else None

    def _refuse_covered_mouth(self, in_head: Points) -> None:
        # Loose on purpose: the lips of dark skin are hardly redder than the cheeks.
        lab = cv2.cvtColor(self.crop, cv2.COLOR_BGR2LAB).astype(np.float32)
        placed = apply(self.to_crop, in_head)
        mask = np.zeros(self.crop.shape[:2], np.uint8)
        for triangle in lip_triangles()[: -2 * (RING_LENGTH - 1)]:
            cv2.fillConvexPoly(mask, np.rint(placed[list(triangle)]).astype(np.int32), 255)
        lightness, redness, _ = lab[mask > 0].mean(axis=0) - skin_colour(lab, placed)
        if redness < -3 or (redness < 1.5 and lightness > 8):
            raise RejectedError(f"lips no redder than the skin ({redness:.1f}): covered mouth?")


def _anchors(in_head: Points, to_crop: Affine) -> Points:
    """Give points around the face and along the border, which hold the surroundings still."""
    oval = in_head[OVAL]
    centre = (in_head[SELLION] + in_head[152]) / 2
    ring = apply(to_crop, centre + (oval - centre) * 1.35)
    inside = ((ring > 2) & (ring < DRAWN_SIZE - 3)).all(axis=1)
    steps = np.linspace(0, DRAWN_SIZE - 1, 7)
    border = [(x, y) for x in steps for y in steps if {x, y} & {0, DRAWN_SIZE - 1}]
    return np.concatenate([ring[inside], np.array(border, np.float64)])


def _inset(in_head: Points, opening: float) -> NDArray[np.float64]:
    source = in_head.copy()
    along = np.sqrt(np.clip(np.sin(np.linspace(0, np.pi, RING_LENGTH)), 0, 1))
    reach = _LIP_INSET * float(rise(np.array(opening), 0.02, 0.10)) * along
    for ring, share in ((3, 1.0), (2, 0.5)):
        source[UPPER_RINGS[ring], 1] -= reach * share
        source[LOWER_RINGS[ring], 1] += reach * share
    return source
