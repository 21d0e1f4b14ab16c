"""Turn faces aside by computation: data sets hold faces that look at the camera.

The face mesh's own depth bends the picture like a cloth, which is drawn as it lies after the turn,
far parts first; round the face, depth runs out to that of the ears.
"""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from runtime.faces import Roi
from runtime.faces.compiled import load_face_network
from runtime.faces.facemesh import INPUT_SIDE, cut_square
from runtime.types import Frame
from training.corpus import MARGIN, VIDEO_SIZE
from training.retarget.framing import cover, face_box
from training.retarget.geometry import Points, apply, draw_triangles
from training.retarget.points import FACE_SIDES, OVAL, POINT_COUNT

#: Degrees that faces are turned by, to either side.
LEAST_TURN, MOST_TURN = 10.0, 45.0
#: Rings round the face's outline, in parts of its size, and how far their depth is the ears'.
_RINGS = ((1.15, 0.4), (1.4, 1.0), (4.0, 1.0))
#: Pixels by which depth is smoothed.
_SMOOTHING = 2.5
#: Knots of the cloth that carries the picture, ``(n, 2)``: pixels, also beyond its edges.
_SIDE = np.arange(-VIDEO_SIZE // 2, VIDEO_SIZE * 3 // 2 + 1, 4)
_GRID = np.stack(np.meshgrid(_SIDE, _SIDE), -1).reshape(-1, 2).astype(np.float64)
_CORNERS = np.arange(len(_GRID)).reshape(len(_SIDE), -1)
_TRIANGLES = np.concatenate(
    [
        np.stack([_CORNERS[:-1, :-1], _CORNERS[:-1, 1:], _CORNERS[1:, :-1]], -1).reshape(-1, 3),
        np.stack([_CORNERS[1:, 1:], _CORNERS[:-1, 1:], _CORNERS[1:, :-1]], -1).reshape(-1, 3),
    ]
).astype(np.int32)


class MeshWithDepth:
    """Reads all three coordinates of the points of a data set's face."""

    def __init__(self, models_dir: Path) -> None:
        """Load ``facemesh`` from a models folder."""
        self._network = load_face_network(models_dir / "facemesh.xml", "landmarks")

    def read(self, face: Frame) -> Points:
        """Give ``(468, 3)`` in pixels; depth grows away from the camera.

        Args:
            face: uint8 ``(128, 128, 3)`` BGR, the face box in the middle.
        """
        whole = Roi(VIDEO_SIZE / 2, VIDEO_SIZE / 2, VIDEO_SIZE)
        square, to_face = cut_square(face, whole, INPUT_SIDE)
        outputs = self._network(square[None])
        found = next(output for output in outputs if output.size == 3 * POINT_COUNT)
        points: Points = found.reshape(POINT_COUNT, 3).astype(np.float64)
        depth = points[:, 2] * VIDEO_SIZE / INPUT_SIDE
        return np.column_stack([apply(to_face, points[:, :2]), depth])


def turned_faces(
    faces: NDArray[np.uint8], mesh: MeshWithDepth, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn every face by some angle, to either side.

    Args:
        faces: uint8 ``(n, 128, 128, 3)`` BGR, the face box in the middle.
        mesh: Reads them.
        rng: Chooses the angles.

    Returns:
        The same faces turned, framed anew.
    """
    degrees = rng.uniform(LEAST_TURN, MOST_TURN, len(faces)) * rng.choice([-1, 1], len(faces))
    pairs = zip(faces, degrees.tolist(), strict=True)
    return np.stack([turned(face, mesh.read(face), angle) for face, angle in pairs])


def turned(face: Frame, points: Points, degrees: float) -> Frame:
    """Turn one face about the axis between its ears.

    Args:
        face: uint8 ``(128, 128, 3)`` BGR.
        points: Its mesh, ``(468, 3)`` as ``MeshWithDepth`` gives it.
        degrees: Positive lets it look towards the picture's right.

    Returns:
        uint8 ``(128, 128, 3)``, the turned face's box in the middle.
    """
    axis = points[FACE_SIDES].mean(axis=0)
    frame = cover(framed(_rotated(points, axis, degrees)[:, :2]), VIDEO_SIZE)
    cloth = np.column_stack([_GRID, _depth(points)])
    places = _rotated(cloth, axis, degrees)
    order = np.argsort(-places[_TRIANGLES, 2].mean(axis=1))
    source = np.zeros((VIDEO_SIZE, VIDEO_SIZE, 2), np.float32)
    grid = _GRID.astype(np.float32)
    draw_triangles(source, _TRIANGLES[order], apply(frame, places[:, :2]), grid)
    x, y = cv2.split(source)
    edge = cv2.BORDER_REFLECT
    return np.asarray(cv2.remap(face, x, y, cv2.INTER_CUBIC, borderMode=edge), np.uint8)


def framed(mesh: Points) -> Points:
    """Give the face box with a data set's margin, ``(4,)``: x1, y1, x2, y2."""
    box = face_box(mesh)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * MARGIN / 2
    return np.concatenate([middle - half, middle + half])


def _rotated(points: Points, axis: Points, degrees: float) -> Points:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, away = points[:, 0] - axis[0], points[:, 2] - axis[2]
    x, depth = axis[0] + across * cosine - away * sine, across * sine + away * cosine
    return np.column_stack([x, points[:, 1], depth])


def _depth(points: Points) -> Points:
    """Give the depth of every knot of the cloth, ``(n,)``.

    The mesh is steep at its rim, and its triangles are slivers there: they would tear the outline
    to a saw. So its depth is smoothed, and a regular cloth is drawn.
    """
    known = np.concatenate([points, _surroundings(points)])
    depth = np.zeros((VIDEO_SIZE, VIDEO_SIZE, 1), np.float32)
    triangles = Delaunay(known[:, :2]).simplices.astype(np.int32)
    draw_triangles(depth, triangles, known[:, :2], known[:, 2:].astype(np.float32))
    smooth = cv2.GaussianBlur(depth[..., 0], (0, 0), _SMOOTHING)
    x, y = np.clip(_GRID, 0, VIDEO_SIZE - 1).astype(int).T
    return np.asarray(smooth[y, x], np.float64)


def _surroundings(points: Points) -> Points:
    """Give points around a face, ``(n, 3)``, further and further out."""
    outline, ears = points[OVAL], points[FACE_SIDES, 2].mean()
    middle = outline[:, :2].mean(axis=0)
    return np.concatenate(
        [
            np.column_stack(
                [
                    middle + size * (outline[:, :2] - middle),
                    outline[:, 2] + share * (ears - outline[:, 2]),
                ]
            )
            for size, share in _RINGS
        ]
    )
