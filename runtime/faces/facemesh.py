"""FaceMesh: 468 landmarks of a face whose place is roughly known.

Network: MediaPipe Face Mesh (Kartynnik et al. 2019). It looks at an upright square half as large
again as the face.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.faces import mesh_points
from runtime.faces.compiled import load_face_network
from runtime.faces.counters import counters
from runtime.pyramid import Pyramid
from runtime.types import FaceBox, Frame, Landmarks

INPUT_SIDE = 192
#: Side of the square in parts of the mesh's longer side.
ROI_SCALE = 1.5
#: Pixels along the square in the view it is read in, at least. Half as many as the network takes
#: would blur lips, all of them pass on noise: at 4 levels of it, points of a face in 720p shake
#: by 0.91 pixels in the picture itself, by 0.70 with 192 and by 0.51 with 128.
VIEW_SIDE = 128
#: Lowest score at which landmarks are believed.
SCORE_FLOOR = 0.5


class Roi(NamedTuple):
    """The square a landmark network looks at, in pixels of the picture.

    Attributes:
        x: Centre.
        y: Centre.
        side: Length of a side.
        angle: Roll in degrees that is turned away before looking.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def of_box(cls, box: FaceBox, scale: float = ROI_SCALE, angle: float = 0.0) -> Self:
        """Look at a face box with a margin: ``scale`` times its longer side."""
        side = max(box.width, box.height) * scale
        return cls((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, side, angle)

    @classmethod
    def of_landmarks(cls, landmarks: Landmarks) -> Self:
        """Look where a face mesh was in the frame before."""
        low, high = mesh_points.extent(landmarks)
        centre = (low + high) / 2
        side = ROI_SCALE * float((high - low).max())
        return cls(float(centre[0]), float(centre[1]), side, mesh_points.roll_angle(landmarks))


class FaceMesh:
    """Reads the landmarks of one face; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._network = load_face_network(path, "landmarks")

    @property
    def digest(self) -> str:
        """SHA-256 of the network."""
        return self._network.digest

    def landmarks(self, image: Frame, roi: Roi | FaceBox) -> tuple[float, Landmarks]:
        """Read landmarks once.

        Args:
            image: uint8 ``(h, w, 3)``, BGR.
            roi: Where to look; a plain box is looked at upright and without a margin.

        Returns:
            Score 0 to 1 that there is a face, and float32 ``(468, 2)`` in pixels of the image.
        """
        place = Roi.of_box(roi, 1.0) if isinstance(roi, FaceBox) else roi
        picture, to_image = cut_square(image, place, INPUT_SIDE)
        counters.add(meshes=1)
        score, points = self._read(picture)
        return score, (points @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32)

    def settle(self, image: Frame, roi: Roi, *, passes: int = 3) -> tuple[float, Landmarks]:
        """Read landmarks, then again where they were found, until the place has settled."""
        score, points = self.landmarks(image, roi)
        for _ in range(passes - 1):
            if score < SCORE_FLOOR:
                break
            score, points = self.landmarks(image, Roi.of_landmarks(points))
        return score, points

    def _read(self, picture: Frame) -> tuple[float, Landmarks]:
        """Give score and landmarks in pixels of the network's input."""
        return read_outputs(self._network(picture[None]))


def read_in(
    picture: Pyramid, roi: Roi, read: Callable[[Frame, Roi], tuple[float, Landmarks]]
) -> tuple[float, Landmarks]:
    """Read landmarks in a view of a picture that is about as fine as the network's input.

    A square of 900 pixels is halved twice before it is brought to the network's 192: that costs
    less than bringing it there at once, and noise is averaged instead of picked up.

    Args:
        picture: The picture.
        roi: Where to look, in its pixels.
        read: ``FaceMesh.landmarks`` or the like.

    Returns:
        As ``FaceMesh.landmarks``, in pixels of the picture.
    """
    view = picture.near(roi.side, VIEW_SIDE)
    x, y = view.inside(np.array([roi.x, roi.y])).tolist()
    score, points = read(view.frame, Roi(x, y, roi.side / view.step, roi.angle))
    return score, view.outside(points).astype(np.float32)


def read_outputs(outputs: Sequence[NDArray[np.float32]]) -> tuple[float, Landmarks]:
    """Find score and points among a mesh network's outputs, by their sizes.

    Returns:
        Score 0 to 1, and float32 ``(468, 2)``.
    """
    points = next(output for output in outputs if output.size == mesh_points.POINT_COUNT * 3)
    logit = float(next(output for output in outputs if output.size == 1).reshape(-1)[0])
    score = 1 / (1 + math.exp(-max(min(logit, 80.0), -80.0)))
    return score, points.reshape(mesh_points.POINT_COUNT, 3)[:, :2]


def cut_square(image: Frame, roi: Roi, side: int) -> tuple[Frame, NDArray[np.float64]]:
    """Cut a square upright out of an image; beyond its edges they are repeated.

    Args:
        image: uint8 ``(h, w, 3)``, BGR.
        roi: The square.
        side: Pixels along a side of the result.

    Returns:
        uint8 ``(side, side, 3)``, and the map from its pixels to those of the image, ``(2, 3)``.
    """
    to_image = _square_to_image(roi, side)
    # OpenCV 5 warps four channels more than twice as fast as three, to the same bits.
    has_four = image.size < 24 * side * side
    picture = cv2.warpAffine(
        cv2.cvtColor(image, cv2.COLOR_BGR2BGRA) if has_four else image,
        to_image,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if has_four:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR)
    return np.asarray(picture, np.uint8), to_image


def _square_to_image(roi: Roi, side: int) -> NDArray[np.float64]:
    radians = math.radians(roi.angle)
    scale = roi.side / side
    cosine, sine = math.cos(radians) * scale, math.sin(radians) * scale
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array([roi.x, roi.y]) - turn @ np.full(2, side / 2)
    return np.hstack([turn, shift[:, None]])
