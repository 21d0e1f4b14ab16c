"""Affine maps of points, and triangles drawn to maps of pixels."""

import numpy as np
from numpy.typing import NDArray

from training.retarget.points import EYE_CORNERS

Points = NDArray[np.float64]
Affine = NDArray[np.float64]


def fit_similarity(source: Points, target: Points) -> Affine:
    """Give the turn, scale and shift ``(2, 3)`` that map source to target with least squares."""
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    x, y = source - middle, target - aim
    size = (x * x).sum()
    cosine = (x * y).sum() / size
    sine = (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum() / size
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, aim - turn @ middle])


def apply(affine: Affine, points: Points) -> Points:
    """Map points ``(..., 2)``."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def invert(affine: Affine) -> Affine:
    """Give the map back."""
    turn = np.linalg.inv(affine[:, :2])
    return np.column_stack([turn, -turn @ affine[:, 2]])


def join(outer: Affine, inner: Affine) -> Affine:
    """Give the map that applies ``inner`` first."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], apply(outer, inner[:, 2])])


def canonical(mesh: Points) -> Affine:
    """Give the map from a mesh to the head frame by the corners of its eyes alone."""
    left, right = mesh[EYE_CORNERS]
    across = right - left
    scale, angle = 1 / np.hypot(*across), -np.arctan2(across[1], across[0])
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, -turn @ ((left + right) / 2)])


def rise(values: NDArray[np.float64], begin: float, end: float) -> NDArray[np.float64]:
    """Go smoothly from 0 at ``begin`` to 1 at ``end``."""
    share = np.clip((values - begin) / (end - begin), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def draw_triangles(
    canvas: NDArray[np.float32],
    triangles: NDArray[np.int32],
    corners: Points,
    values: NDArray[np.float32],
) -> None:
    """Fill triangles with values interpolated between their corners; later ones cover earlier ones.

    Args:
        canvas: ``(h, w, k)``, written to.
        triangles: ``(m, 3)`` numbers of points.
        corners: ``(n, 2)`` x and y of points on the canvas; pixel centres are whole numbers.
        values: ``(n, k)``.
    """
    height, width = canvas.shape[:2]
    a, b, c = (corners[triangles[:, side]] for side in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    low = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c) - 1e-3), 0).astype(int)
    high = np.floor(np.maximum(np.maximum(a, b), c) + 1e-3).astype(int)
    high = np.minimum(high, [width - 1, height - 1])
    extent = np.where((np.abs(area) > 1e-6)[:, None], np.maximum(high - low + 1, 0), 0)
    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(triangles)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = np.maximum(extent[owner, 0], 1)
    x, y = low[owner, 0] + place % columns, low[owner, 1] + place // columns
    from_a = np.column_stack([x, y]) - a[owner]
    to_b, to_c = (b - a)[owner], (c - a)[owner]
    u = (from_a[:, 0] * to_c[:, 1] - to_c[:, 0] * from_a[:, 1]) / area[owner]
    v = (to_b[:, 0] * from_a[:, 1] - from_a[:, 0] * to_b[:, 1]) / area[owner]
    inside = (u >= -1e-4) & (v >= -1e-4) & (u + v <= 1.0001)
    owner, x, y, u, v = owner[inside], x[inside], y[inside], u[inside, None], v[inside, None]
    at = [values[triangles[owner, side]] for side in range(3)]
    canvas[y, x] = at[0] * (1 - u - v) + at[1] * u + at[2] * v
