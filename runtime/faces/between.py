"""Frames in which a face looks as the readings around them say are not read.

A face is read in every fourth frame. Between two readings its points are taken to be on the
straight way from one to the other, and the mouth that a frame then shows is compared with the
mouths of both readings, mixed. Where it is another - lips that close for a moment, a head that
jerks - the frame in the middle is read too, and so on. So it is between lips that are closed and
lips that are open: they are not half open in the middle, but closed until they part, and the gap
that tells is too small to be seen here. On 124 clips of speakers who hardly pause, the meshes are
asked 37 % less, the opening of the lips is 0.003 of the mouth's width from what reading every frame
gives, and of 5046 closed mouths none opens by more than 0.02 of it between two readings.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.faces import mesh_points
from runtime.faces.facemesh import Roi, cut_square
from runtime.faces.following import Reading
from runtime.pyramid import Pyramid
from runtime.types import Landmarks

#: Frames from one reading to the next.
SPAN = 4
#: A mouth is as expected when it differs by at most this part of its own contrast, on average.
LIKE = 0.04
#: Lips are closed below the first opening, and open above the second, in parts of their width.
CLOSED, OPEN = 0.01, 0.02
#: Parts of the square that a face is read in by which it moves, at most, between two readings.
NEAR = 0.06
#: Pixels along the square around a mouth, and its side in parts of the distance of the eyes.
MOUTH_SIDE, MOUTH_SCALE = 32, 0.7
#: Pixels of it that are averaged: the grain of a film is another in every frame.
GRAIN = (7, 7)
#: Pixels between the eyes, at least, of the view it is cut from: the one the mesh is shown.
EYES_PIXELS = 32

_EDGES = list(mesh_points.MOUTH_EDGES)
#: float32 ``(32, 32, 3)``: what is around a mouth, upright and without grain.
Mouth = NDArray[np.float32]


class Known(NamedTuple):
    """A face as it was read in one frame, and its mouth there."""

    reading: Reading
    mouth: Mouth


def look(picture: Pyramid, reading: Reading) -> Known:
    """Keep a reading with the mouth that it points to."""
    return Known(reading, _mouth(picture, reading.landmarks))


def is_near(before: Reading, after: Reading) -> bool:
    """Tell whether a face has hardly left the square in which it was looked for."""
    here, there = Roi.of_landmarks(before.landmarks), Roi.of_landmarks(after.landmarks)
    return bool(np.hypot(there.x - here.x, there.y - here.y) < NEAR * here.side)


def readings_between(
    pictures: Sequence[Pyramid],
    first: Known,
    last: Known,
    read: Callable[[Pyramid, Reading], Reading],
) -> list[Reading]:
    """Give a face in the frames between two in which it was read.

    Args:
        pictures: The frames between, in order.
        first: The face in the frame before them.
        last: The face in the frame after them.
        read: Reads it in a picture, given where it should be.
    """
    if not pictures:
        return []
    shares = np.arange(1, len(pictures) + 1) / (len(pictures) + 1)
    expected = [_mixed(first.reading, last.reading, share) for share in shares.tolist()]
    if not _part_or_meet(first, last) and all(
        _is_like(picture, reading, (1 - share) * first.mouth + share * last.mouth)
        for picture, reading, share in zip(pictures, expected, shares.tolist(), strict=True)
    ):
        return expected
    middle = len(pictures) // 2
    known = look(pictures[middle], read(pictures[middle], expected[middle]))
    return [
        *readings_between(pictures[:middle], first, known, read),
        known.reading,
        *readings_between(pictures[middle + 1 :], known, last, read),
    ]


def _part_or_meet(first: Known, last: Known) -> bool:
    """Tell whether lips are closed in one reading and open in the other."""
    least, most = sorted(
        mesh_points.mouth_opening(known.reading.landmarks) for known in (first, last)
    )
    return least < CLOSED and most > OPEN


def _mixed(first: Reading, last: Reading, share: float) -> Reading:
    mixed = (1 - share) * first.landmarks + share * last.landmarks
    return first._replace(landmarks=mixed.astype(np.float32), was_read=False)


def _is_like(picture: Pyramid, reading: Reading, expected: Mouth) -> bool:
    difference = cv2.norm(_mouth(picture, reading.landmarks), expected, cv2.NORM_L1)
    contrast = float(cv2.meanStdDev(expected)[1].mean())
    return bool(difference <= LIKE * contrast * expected.size)


def _mouth(picture: Pyramid, landmarks: Landmarks) -> Mouth:
    left, right = landmarks[list(mesh_points.EYE_CORNERS)].tolist()
    distance = math.dist(left, right)
    view = picture.near(distance, EYES_PIXELS)
    x, y = view.inside(landmarks[_EDGES].mean(axis=0)).tolist()
    side = MOUTH_SCALE * distance / view.step
    roi = Roi(x, y, side, mesh_points.roll_angle(landmarks))
    square, _ = cut_square(view.frame, roi, MOUTH_SIDE)
    return np.asarray(cv2.blur(square.astype(np.float32), GRAIN), np.float32)
