"""Two smooth displacement fields, one above and one below the mouth line, on a coarse grid.

Thin-plate splines through lips, jaw and still points, evaluated on a coarse grid by one matrix
product per frame; the matrix depends on the reference frame alone.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points, apply_affine, invert_affine, smoothstep
from runtime.blending.warp.shape import JAW, STILL, LipPose, MouthShape
from runtime.blending.warp.spline import Spline, kernel, spline_system
from runtime.types import FaceBox

#: Grid cells are as long as this in eye distances, and splines are solved on every second one:
#: between them the field is smooth enough for a cubic, and then for straight lines.
CELL = 0.025
#: Stiffness of the splines at lips and elsewhere: lips are followed, the rest is smoothed.
_LIP_STIFFNESS, _SKIN_STIFFNESS = 1e-4, 2e-3
#: Every second point of the face's outline, all round.
_OVAL = np.concatenate(
    [
        [10, 297, 284, 389, 454, 361, 397, 379, 400],
        [152, 176, 150, 172, 132, 234, 162, 54, 67],
    ]
)
_LIP_POINTS = 44
_INVERSE_STEPS = 4
_SIDES = np.linspace(0, 1, 6)
_RIM = np.array([(a, b) for a in _SIDES for b in _SIDES if a in (0, 1) or b in (0, 1)])
# cv2.remap takes both coordinates in its first map then.
_NO_MAP = np.empty(0, np.float32)


def cell_of(eye_distance: float) -> int:
    """Give the side of a grid cell in pixels, even so that chroma samples are never cut."""
    return 2 * max(1, round(CELL * eye_distance / 2))


class WarpField:
    """Turns lip poses of one reference frame into displacements of its pixels."""

    def __init__(self, shape: MouthShape, window: FaceBox, cell: int) -> None:
        """Solve the splines.

        Args:
            shape: The frame's mouth.
            window: What may move; its sides are multiples of two cells.
            cell: From ``cell_of``.
        """
        self._shape, self._window, self._step = shape, window, 2 * cell
        self._columns, self._rows = window.width // self._step, window.height // self._step
        to_head = invert_affine(shape.to_frame)
        still = [shape.points[STILL], _outer_ring(shape), apply_affine(to_head, self._rim())]
        upper, lower = (rows.reshape(-1, 2) for rows in shape.source)
        # What both splines share lies between the lips and is worked out once.
        points = np.concatenate([upper, shape.points[JAW], *still, lower])
        self._count = len(points)
        self._parts = slice(self._count - _LIP_POINTS), slice(_LIP_POINTS, self._count)
        at_grid = apply_affine(to_head, self._grid_points())
        stiffness = np.full(self._count, _SKIN_STIFFNESS)
        stiffness[:_LIP_POINTS] = stiffness[-_LIP_POINTS:] = _LIP_STIFFNESS
        system, rows = spline_system(points, stiffness), kernel(at_grid, points)
        self._splines = [
            Spline(system[part, part], points[part], rows[:, part], at_grid) for part in self._parts
        ]
        self._edge = _taper(self._columns, self._rows)
        self._cells = _mesh(self._columns, 2 * self._rows)

    def displacements(self, pose: LipPose) -> NDArray[np.float32]:
        """Give where each pixel comes from, as seen from above and below the mouth line.

        Args:
            pose: Where the lips are to be.

        Returns:
            Along x and y two grids, float32 ``(2, 2, rows, columns)``, one sample in the middle of
            each cell: source minus target, in pixels.
        """
        linear = self._shape.to_frame[:, :2].T
        forward = np.empty((2, self._rows * self._columns, 2), np.float32)
        moved = self._moved(pose) @ linear
        for into, part, spline in zip(forward, self._parts, self._splines, strict=True):
            np.multiply(spline.spread(moved[part]), self._edge, out=into)
        # One picture of both, one above the other: their borders do not move, so neither sees
        # the other.
        backward = self._inverse(forward.reshape(2 * self._rows, self._columns, 2))
        size_wh = (2 * self._columns, 4 * self._rows)
        finer = cv2.resize(backward, size_wh, interpolation=cv2.INTER_CUBIC)
        shape = (2, 2, 2 * self._rows, 2 * self._columns)
        return np.asarray(cv2.split(finer), np.float32).reshape(shape)

    def _inverse(self, forward: NDArray[np.float32]) -> NDArray[np.float32]:
        """Invert a displacement by fixed-point iteration on the grid."""
        there: cv2.typing.MatLike = forward
        for _ in range(_INVERSE_STEPS):
            at = cv2.scaleAdd(there, -1 / self._step, self._cells)
            there = cv2.remap(
                forward, at, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return np.negative(there, dtype=np.float32)

    def _moved(self, pose: LipPose) -> NDArray[np.float64]:
        """Give the movement of every control point, in the head's frame."""
        moved = np.zeros((self._count, 2))
        upper, lower = self._shape.source
        moved[:_LIP_POINTS] = (pose.upper - upper).reshape(-1, 2)
        moved[_LIP_POINTS : _LIP_POINTS + len(JAW)] = pose.jaw
        moved[-_LIP_POINTS:] = (pose.lower - lower).reshape(-1, 2)
        return moved

    def _grid_points(self) -> Points:
        """Give the middles of the coarse cells in pixels."""
        first = np.array(self._window[:2], np.float32) + np.float32((self._step - 1) / 2)
        cells = _mesh(self._columns, self._rows).reshape(-1, 2)
        return np.asarray(cells * np.float32(self._step) + first, np.float32)

    def _rim(self) -> Points:
        """Give points on the window's border in pixels."""
        window = self._window
        rim = _RIM * (window.width, window.height) + (window.x1, window.y1)
        return rim.astype(np.float32)


def _outer_ring(shape: MouthShape) -> Points:
    """Give still points round the face, where the background is."""
    centre = 0.4 * shape.points[6] + 0.6 * shape.points[152]
    return np.asarray(centre + (shape.points[_OVAL] - centre) * 1.3, np.float32)


@lru_cache(maxsize=8)
def _mesh(columns: int, rows: int) -> NDArray[np.float32]:
    """Give the coordinates of a grid's samples, ``(rows, columns, 2)``."""
    mesh = np.dstack(np.meshgrid(np.arange(columns), np.arange(rows))).astype(np.float32)
    mesh.setflags(write=False)
    return mesh


@lru_cache(maxsize=8)
def _taper(columns: int, rows: int) -> NDArray[np.float32]:
    """Give 0 at the window's border and 1 four cells inside, per grid point, ``(n, 1)``."""
    x, y = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    across = np.minimum(x, columns - x)[None]
    down = np.minimum(y, rows - y)[:, None]
    # The outermost samples must not move at all: pixels half a cell outside follow them.
    depth = np.minimum(across, down).astype(np.float32) - 0.5
    return smoothstep(depth, 0.0, 4.0).reshape(-1, 1)
