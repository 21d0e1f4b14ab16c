"""The mouth of one picture as geometry: how it is, how it looks closed, how it looks speaking.

Everything is measured in the head's own frame: origin midway between the outer eye corners, the
line through them level, their distance 1.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_CORNER,
    LEFT_EYE,
    LOWER_ROWS,
    RIGHT_CORNER,
    RIGHT_EYE,
    UPPER_ROWS,
    Affine,
    Points,
    apply_affine,
    invert_affine,
    smoothstep,
)

#: Mouth width of a relaxed face, in eye distances (mean over the faces of the training set).
RELAXED_WIDTH = 0.585
#: How much of a smile's extra width is taken off while the face speaks.
SMILE_RELIEF = 0.3
#: Share of the way to the closed mouth that the upper lip goes; the lower one goes the rest.
UPPER_SHARE = 0.42
#: How far each lip row follows the inner contour, outer row first.
ROW_SHARE = np.array([0.84, 0.88, 0.94, 1.0], np.float32)
OPENING_SHARE = np.array([0.35, 0.55, 0.8, 1.0], np.float32)
#: How much of each lip row's movement is the inner contour's; the rest is the outer one's.
_INNER_SHARE = np.array([0.0, 0.35, 0.7, 1.0], np.float32)[:, None, None]
#: Vertical movement of chin and jaw per movement of the lower lip's outer edge (point 17).
#: Source: difference of an open and a closed face mesh of one speaker, symmetrised.
JAW_SHARE = {
    18: 0.75, 83: 0.70, 313: 0.70, 182: 0.58, 406: 0.58, 200: 0.60, 199: 0.52, 175: 0.48,
    106: 0.44, 335: 0.44, 204: 0.29, 424: 0.29, 202: 0.17, 422: 0.17, 212: 0.05, 432: 0.05,
    152: 0.46, 148: 0.43, 377: 0.43, 176: 0.36, 400: 0.36, 149: 0.28, 378: 0.28,
    150: 0.20, 379: 0.20, 136: 0.12, 365: 0.12, 172: 0.05, 397: 0.05,
}  # fmt: skip
JAW = np.array(list(JAW_SHARE))
_JAW_WEIGHT = np.array(list(JAW_SHARE.values()), np.float32)
#: Points that stay: nose, cheeks, the jaw's upper ends.
STILL = np.concatenate(
    [
        [1, 2, 4, 5, 6, 19, 48, 64, 94, 97, 98, 102, 115, 129, 278, 294, 326, 327, 331, 344, 358],
        [50, 280, 205, 425, 187, 411, 123, 352, 58, 288, 132, 361, 93, 323, LEFT_EYE, RIGHT_EYE],
    ]
)
#: How far the nose's tip stands before the line between the ears, in parts of half that line.
_NOSE_REACH = 1.15
#: Points of the lips on the face's middle.
_CENTRE = [0, 17, 13, 14]
_MIDDLE = slice(3, 8)
_ARCH = np.sin(np.linspace(0, np.pi, 11)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LipPose:
    """Where the lips are.

    Attributes:
        upper: Upper lip rows, outer first, ``(4, 11, 2)``.
        lower: Lower lip rows, ``(4, 11, 2)``.
        jaw: Movement of the jaw points against the picture, ``(29, 2)``.
        gap: Height of the opening at the eleven inner points, ``(11,)``.
    """

    upper: Points
    lower: Points
    jaw: Points
    gap: NDArray[np.float32]


class MouthShape:
    """One reference frame's mouth.

    Attributes:
        to_frame: Affine from the head's frame to pixels.
        points: Face mesh in the head's frame, ``(468, 2)``.
        openness: How far the picture's own mouth is open, in mouth widths.
        eye_distance: Unit of the head's frame, in pixels.
    """

    def __init__(self, landmarks: Points) -> None:
        """Measure a face mesh, ``(468, 2)`` in pixels of the frame."""
        (x1, y1), (x2, y2) = landmarks[[LEFT_EYE, RIGHT_EYE]].tolist()
        x, y = x2 - x1, y2 - y1
        self.to_frame: Affine = np.array(
            [[x, -y, (x1 + x2) / 2], [y, x, (y1 + y2) / 2]], np.float32
        )
        self.eye_distance = math.hypot(x, y)
        self.points = apply_affine(invert_affine(self.to_frame), landmarks)
        gap = self.points[INNER_LOWER, 1] - self.points[INNER_UPPER, 1]
        self._gap = np.maximum(gap, 0).astype(np.float32)
        self.openness = _middle_of(self._gap) / self._width
        #: 1 for a picture whose open mouth must be closed, 0 for a closed one.
        self.seam = float(smoothstep(self.openness, 0.03, 0.12))

    @property
    def _width(self) -> float:
        return float(np.linalg.norm(self.points[RIGHT_CORNER] - self.points[LEFT_CORNER]))

    @property
    def yaw(self) -> float:
        """Turn of the head: 0 is frontal, 0.6 nearly a profile, from the nose between the ears."""
        return yaw_of(self.points)

    @cached_property
    def facing(self) -> float:
        """Cosine of the head's turn: what is left of widths.

        A nose stands forward of the line between the ears by half that line's length and a
        seventh (measured on turned face meshes), so its place between them tells the turn.
        """
        return float(1 / np.hypot(1, self.yaw / _NOSE_REACH))

    @cached_property
    def halves(self) -> tuple[float, float]:
        """What is left of the widths of the mouth's left and right half; 1 where all is seen."""
        left, middle, right = (
            float(self.points[rows, 0].mean()) for rows in ([LEFT_CORNER], _CENTRE, [RIGHT_CORNER])
        )
        whole = (right - left) / 2 / self.facing
        shares = np.clip([middle - left, right - middle], 0.2 * whole, 2 * whole) / whole
        return float(shares[0]), float(shares[1])

    @cached_property
    def _scale(self) -> Points:
        """What a movement by the mouth's width is in the picture, per lip point, ``(11, 2)``."""
        whole = self.rest_width / self.facing
        across = np.linspace(*self.halves, 11)
        return np.asarray(whole * np.column_stack([across, np.ones(11)]), np.float32)

    @cached_property
    def source(self) -> tuple[Points, Points]:
        """Lip rows of the picture, as the warp should take them, two times ``(4, 11, 2)``.

        The inner contours of a closed mouth meet in the dark line's middle, so that both lips keep
        half of it; those of an open mouth back off from the teeth.
        """
        upper, lower = self.points[UPPER_ROWS].copy(), self.points[LOWER_ROWS].copy()
        middle = (upper[3] + lower[3]) / 2
        off = np.zeros((11, 2), np.float32)
        off[:, 1] = 0.014 * self.seam * np.sqrt(_ARCH)
        for rows, sign in ((upper, -1), (lower, 1)):
            step = (1 - self.seam) * (middle - rows[3])
            step[[0, 10]] = 0
            rows[3] += step + sign * off
            rows[2] += 0.3 * step + 0.4 * sign * off
        return upper, lower

    @cached_property
    def closed(self) -> LipPose:
        """The picture's mouth with its lips together and a part of its smile gone."""
        upper, lower = self.points[UPPER_ROWS].copy(), self.points[LOWER_ROWS].copy()
        drop = np.zeros((11, 2), np.float32)
        drop[:, 1] = self._gap
        share = ROW_SHARE[:, None, None]
        upper += UPPER_SHARE * share * drop
        lower -= (1 - UPPER_SHARE) * share * drop
        lift = (1 - UPPER_SHARE) * ROW_SHARE[0] * _middle_of(self._gap)
        jaw = np.zeros((len(JAW), 2), np.float32)
        jaw[:, 1] = -lift * _JAW_WEIGHT
        narrow = SMILE_RELIEF * float(np.clip(self._width / RELAXED_WIDTH / 1.06 - 1, 0, 0.35))
        centre = (self.points[LEFT_CORNER] + self.points[RIGHT_CORNER]) / 2
        for rows in (upper, lower):
            rows[..., 0] -= narrow * (rows[..., 0] - centre[0])
        return LipPose(upper, lower, jaw, np.zeros(11, np.float32))

    @cached_property
    def rest_width(self) -> float:
        """Width of the closed mouth."""
        corners = self.closed.upper[0][[0, 10]]
        return float(np.linalg.norm(corners[1] - corners[0]))

    def pose(self, motion: NDArray[np.float32]) -> LipPose:
        """Move the closed mouth.

        Args:
            motion: Movement from the closed mouth in mouth widths, ``(4, 11, 2)``: outer upper,
                outer lower, inner upper, inner lower contour.
        """
        scale, across = self._scale, float(self._scale[5, 1])
        # Both lips at once, ``(2, 4, 11, 2)``: on so few numbers every call counts.
        outer, inner = motion[:2, None], motion[2:, None]
        lips = self._closed_lips + scale * (outer * (1 - _INNER_SHARE) + inner * _INNER_SHARE)
        gap = across * np.maximum(motion[3, :, 1] - motion[2, :, 1], 0)
        height = _middle_of(gap) / across
        # Openings of a hundredth of the mouth's width are noise: closed means closed. So lips that
        # are heard meet on 25 of 26 bilabials of held-out sentences; on the other, true ones part.
        gap = gap * smoothstep(height, 0.01, 0.045)
        gap[[0, 10]] = 0
        _part(lips, gap)
        jaw = self.closed.jaw.copy()
        jaw[:, 1] += across * _middle_of(motion[1, :, 1]) * _JAW_WEIGHT
        return LipPose(lips[0], lips[1], jaw, np.asarray(gap, np.float32))

    @cached_property
    def _closed_lips(self) -> Points:
        return np.stack([self.closed.upper, self.closed.lower])


def yaw_of(landmarks: Points) -> float:
    """Give a head's turn; see ``MouthShape.yaw``."""
    across = landmarks[RIGHT_EYE] - landmarks[LEFT_EYE]
    nose, left, right = (landmarks[[1, 234, 454]] * across).sum(1).tolist()
    return float(((nose - left) - (right - nose)) / (right - left))


def _middle_of(row: NDArray[np.float32]) -> float:
    """Give the mean over the middle five of eleven lip points."""
    return float(row[_MIDDLE].sum()) / 5


def _part(lips: Points, gap: NDArray[np.float32]) -> None:
    """Set the opening between the inner rows to ``gap``; the other rows follow in part."""
    inner = lips[:, 3]
    step = (inner[0] + inner[1]) / 2 - inner
    half = gap / 2
    step[0, :, 1] -= half
    step[1, :, 1] += half
    step[:, [0, 10]] *= 0.5
    lips += OPENING_SHARE[:, None, None] * step[:, None]
