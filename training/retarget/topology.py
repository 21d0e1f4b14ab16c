"""Triangles over a portrait, and a smoother along their edges."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from training.errors import RejectedError
from training.retarget.geometry import Points
from training.retarget.points import LIPS, OUTLINE, POINT_COUNT, lip_triangles
from training.retarget.reference import reference_head

Edges = set[tuple[int, int]]

_MOST_MISSING = 2
_SMOOTHING_SHARE, _SMOOTHING_ROUNDS = 0.6, 4


def triangulate(mesh: Points, anchors: Points) -> tuple[NDArray[np.int32], Edges]:
    """Cover a picture: Delaunay's triangles outside the lips, strips of rings inside.

    Args:
        mesh: ``(468, 2)``, pixels.
        anchors: ``(k, 2)``, pixels; numbered from 468.

    Returns:
        ``(m, 3)`` numbers of points, lips last, and the edges outside the lips.

    Raises:
        RejectedError: The lips' outline is not part of the triangulation.
    """
    outline = {int(point) for point in OUTLINE}
    inner = {int(point) for point in LIPS} - outline
    kept = np.array([p for p in range(POINT_COUNT + len(anchors)) if p not in inner])
    places = np.concatenate([mesh, anchors])
    polygon = mesh[OUTLINE].astype(np.float32)
    skin = []
    for corners in kept[Delaunay(places[kept]).simplices]:
        triangle = tuple(int(corner) for corner in corners)
        if outline.issuperset(triangle):
            x, y = places[corners].mean(axis=0)
            if cv2.pointPolygonTest(polygon, (float(x), float(y)), measureDist=False) >= 0:
                continue
        skin.append(triangle)
    edges = {_edge(t[side], t[(side + 1) % 3]) for t in skin for side in range(3)}
    around = zip(OUTLINE, np.roll(OUTLINE, -1), strict=True)
    missing = sum(_edge(int(a), int(b)) not in edges for a, b in around)
    if missing > _MOST_MISSING:
        raise RejectedError(f"{missing} edges of the lips' outline are not in the mesh")
    return np.array([*skin, *lip_triangles()], np.int32), edges


def smoother(mesh: Points, edges: Edges) -> NDArray[np.float64]:
    """Give a matrix ``(468, 468)`` that averages skin points with their neighbours.

    Lips and points that never move keep their own motion.
    """
    near = np.zeros((POINT_COUNT, POINT_COUNT))
    for a, b in edges:
        if max(a, b) < POINT_COUNT:
            near[a, b] = near[b, a] = 1 / (1 + float(np.hypot(*(mesh[a] - mesh[b]))))
    near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
    share = np.full(POINT_COUNT, _SMOOTHING_SHARE)
    share[LIPS] = 0
    share[reference_head().follow == 0] = 0
    once = np.diag(1 - share) + share[:, None] * near
    return np.asarray(np.linalg.matrix_power(once, _SMOOTHING_ROUNDS))


def _edge(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
