"""Read the landmarks of one face from frame to frame, with two meshes that help each other.

Lips are read by the attention mesh. All other points are the plain mesh's, which is asked seldom:
where they lie to the attention mesh's hardly changes, so between two looks they are taken from
there. On clips of speakers they then are 0.16 % of the face's height from where the plain mesh
sees them, which is unsteady by as much itself.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.faces.attention_mesh import AttentionMesh
from runtime.faces.facemesh import SCORE_FLOOR, FaceMesh, Roi, read_in
from runtime.pyramid import Pyramid
from runtime.types import Landmarks

#: The plain mesh looks with every third reading ...
PLAIN_INTERVAL = 3
#: ... and moves the offset by this share of what it sees, so that its own noise stays out.
OFFSET_SHARE = 0.5

#: float64 ``(468, 2)``: from the attention mesh's points to the plain mesh's, upright, in sides of
#: the square that is looked at.
Offset = NDArray[np.float64]


class Reading(NamedTuple):
    """What is known about a face in one frame.

    Attributes:
        score: 0 to 1 that it is a face, by the plain mesh's last look.
        landmarks: float32 ``(468, 2)``, pixels of the picture.
        offset: Where the plain mesh's points lie; ``None`` where they alone are known.
        age: Readings since the plain mesh looked.
        was_read: False where this is what two readings of other frames say.
    """

    score: float
    landmarks: Landmarks
    offset: Offset | None = None
    age: int = 0
    was_read: bool = True


class MeshPair:
    """Reads landmarks with the plain and, where installed, the attention mesh."""

    def __init__(self, plain: FaceMesh, exact: AttentionMesh | None) -> None:
        """Take the two networks; ``None`` for the second leaves all to the first."""
        self._plain = plain
        self._exact = exact

    def find(self, picture: Pyramid, roi: Roi, *, passes: int) -> Reading:
        """Look for a face with the plain mesh, see ``FaceMesh.settle``."""
        settle = partial(self._plain.settle, passes=passes)
        return Reading(*read_in(picture, roi, settle))

    def begin(self, picture: Pyramid, found: Reading) -> Reading:
        """Read the lips of a face that was just found in the same picture."""
        if self._exact is None:
            return found
        roi = Roi.of_landmarks(found.landmarks)
        score, exact = read_in(picture, roi, self._exact.landmarks)
        if score < SCORE_FLOOR:
            return found
        return self._joined(found.score, exact, offset_between(exact, found.landmarks))

    def follow(self, picture: Pyramid, last: Reading) -> Reading:
        """Read a face again in the next picture; its score tells whether it is still there."""
        roi = Roi.of_landmarks(last.landmarks)
        if self._exact is None:
            return Reading(*read_in(picture, roi, self._plain.landmarks))
        exact_score, exact = read_in(picture, roi, self._exact.landmarks)
        age = last.age + 1
        if last.offset is not None and age < PLAIN_INTERVAL and exact_score >= SCORE_FLOOR:
            return self._joined(last.score, exact, last.offset, age)
        score, plain = read_in(picture, roi, self._plain.landmarks)
        if min(score, exact_score) < SCORE_FLOOR:
            return Reading(score, plain)
        offset = offset_between(exact, plain)
        if last.offset is not None:
            offset = last.offset + OFFSET_SHARE * (offset - last.offset)
        return self._joined(score, exact, offset)

    def _joined(self, score: float, exact: Landmarks, offset: Offset, age: int = 0) -> Reading:
        landmarks = shifted(exact, offset)
        if self._exact is not None:
            landmarks[self._exact.lips] = exact[self._exact.lips]
        return Reading(score, landmarks, offset, age)


def offset_between(points: Landmarks, others: Landmarks) -> Offset:
    """Give where other points of the same face lie to given ones, whatever its size and roll."""
    roi = Roi.of_landmarks(points)
    offset: Offset = (others - points).astype(np.float64) @ _turn(roi) / roi.side
    return offset


def shifted(points: Landmarks, offset: Offset) -> Landmarks:
    """Move points by an offset taken in another frame, turned and sized as the face is now."""
    roi = Roi.of_landmarks(points)
    return (points + roi.side * offset @ _turn(roi).T).astype(np.float32)


def _turn(roi: Roi) -> NDArray[np.float64]:
    cosine, sine = np.cos(np.radians(roi.angle)), np.sin(np.radians(roi.angle))
    return np.array([[cosine, -sine], [sine, cosine]])
