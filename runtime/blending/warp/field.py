"""Two smooth displacement fields, one above and one below the mouth line, on a coarse grid.

Thin-plate splines (Bookstein 1989) through lips, jaw and still points, evaluated on a coarse grid
by one matrix product per frame; the matrix depends on the reference frame alone.
"""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points, apply_affine, invert_affine, smoothstep
from runtime.blending.warp.shape import JAW, STILL, LipPose, MouthShape
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
# cv2.remap takes both coordinates in its first map then.
NO_MAP = np.empty(0, np.float32)


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
        at_grid = apply_affine(invert_affine(shape.to_frame), self._grid_points())
        still = np.concatenate([shape.points[STILL], _outer_ring(shape), self._rim()])
        moving = [np.concatenate([r.reshape(-1, 2), shape.points[JAW]]) for r in shape.source]
        self._splines = [_Spline(points, still, at_grid) for points in moving]
        self._edge = self._taper()[:, None]
        across, down = np.arange(self._columns), np.arange(2 * self._rows)
        self._cells = np.dstack(np.meshgrid(across, down)).astype(np.float32)

    def displacements(self, pose: LipPose) -> NDArray[np.float32]:
        """Give where each pixel comes from, as seen from above and below the mouth line.

        Args:
            pose: Where the lips are to be.

        Returns:
            Two grids float32 ``(2, rows, columns, 2)``, one sample in the middle of each cell:
            source minus target, in pixels.
        """
        linear = self._shape.to_frame[:, :2].T
        forward = np.empty((2, self._rows * self._columns, 2), np.float32)
        for part, spline, goal, start in zip(
            forward, self._splines, (pose.upper, pose.lower), self._shape.source, strict=True
        ):
            moved = np.concatenate([(goal - start).reshape(-1, 2), pose.jaw])
            np.multiply(spline.spread(np.asarray(moved @ linear, np.float32)), self._edge, out=part)
        # One picture of both, one above the other: their borders do not move, so neither sees
        # the other.
        backward = self._inverse(forward.reshape(2 * self._rows, self._columns, 2))
        size_wh = (2 * self._columns, 4 * self._rows)
        finer = cv2.resize(backward, size_wh, interpolation=cv2.INTER_CUBIC)
        return np.asarray(finer, np.float32).reshape(2, 2 * self._rows, 2 * self._columns, 2)

    def _inverse(self, forward: NDArray[np.float32]) -> NDArray[np.float32]:
        """Invert a displacement by fixed-point iteration on the grid."""
        there: cv2.typing.MatLike = forward
        for _ in range(_INVERSE_STEPS):
            at = cv2.scaleAdd(there, -1 / self._step, self._cells)
            there = cv2.remap(
                forward, at, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return np.negative(there, dtype=np.float32)

    def _grid_points(self) -> Points:
        """Give the middles of the coarse cells in pixels."""
        half = (self._step - 1) / 2
        x = self._window.x1 + np.arange(self._columns) * self._step + half
        y = self._window.y1 + np.arange(self._rows) * self._step + half
        return np.dstack(np.meshgrid(x, y)).reshape(-1, 2).astype(np.float32)

    def _rim(self) -> Points:
        """Give points on the window's border, in the head's frame."""
        window, t = self._window, np.linspace(0, 1, 6)
        inside = np.array([(a, b) for a in t for b in t if a in (0, 1) or b in (0, 1)])
        rim = inside * (window.width, window.height) + (window.x1, window.y1)
        return apply_affine(invert_affine(self._shape.to_frame), rim.astype(np.float32))

    def _taper(self) -> NDArray[np.float32]:
        """Give 0 at the window's border and 1 four cells inside, per grid point."""
        x, y = np.arange(self._columns) + 0.5, np.arange(self._rows) + 0.5
        across = np.minimum(x, self._columns - x)[None]
        down = np.minimum(y, self._rows - y)[:, None]
        # The outermost samples must not move at all: pixels half a cell outside follow them.
        depth = np.minimum(across, down).astype(np.float32) - 0.5
        return smoothstep(depth, 0.0, 4.0).reshape(-1)


def _outer_ring(shape: MouthShape) -> Points:
    """Give still points round the face, where the background is."""
    centre = 0.4 * shape.points[6] + 0.6 * shape.points[152]
    return np.asarray(centre + (shape.points[_OVAL] - centre) * 1.3, np.float32)


class _Spline:
    """One thin-plate spline: movements of control points to movements of a grid.

    The first movement is solved for by itself; from the second on a matrix is kept that does it.
    Frames of a video are shown once, and the matrix costs four times as much.
    """

    def __init__(self, moving: Points, still: Points, at: Points) -> None:
        """Set the equations up.

        Args:
            moving: Control points that are moved, lips first.
            still: Control points that stay.
            at: The grid.
        """
        points = np.concatenate([moving, still]).astype(np.float64)
        count, self._moving = len(points), len(moving)
        stiffness = np.full(count, _SKIN_STIFFNESS)
        stiffness[:_LIP_POINTS] = _LIP_STIFFNESS
        self._system = np.zeros((count + 3, count + 3))
        self._system[:count, :count] = _kernel(points, points) + np.diag(stiffness)
        affine = np.column_stack([np.ones(count), points])
        self._system[:count, count:], self._system[count:, :count] = affine, affine.T
        self._rows = np.column_stack([_kernel(at, points), np.ones(len(at)), at])
        self._is_new = True

    def spread(self, moved: Points) -> NDArray[np.float32]:
        """Give the grid's movements ``(n, 2)`` for those of the moving points."""
        if not self._is_new:
            return np.asarray(cv2.gemm(self._matrix, moved, 1, np.empty(0), 0), np.float32)
        self._is_new = False
        goal = np.zeros((len(self._system), 2))
        goal[: self._moving] = moved
        # OpenCV's own algebra: NumPy's would wake threads for this, and wait for them.
        weights = cv2.solve(self._system, goal, flags=cv2.DECOMP_LU)[1]
        return np.asarray(cv2.gemm(self._rows, weights, 1, np.empty(0), 0), np.float32)

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        solved = np.ascontiguousarray(cv2.invert(self._system)[1][:, : self._moving])
        return np.asarray(cv2.gemm(self._rows, solved, 1, np.empty(0), 0), np.float32)


def _kernel(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    across = np.subtract.outer(a[:, 0].astype(np.float64), b[:, 0])
    down = np.subtract.outer(a[:, 1].astype(np.float64), b[:, 1])
    squared = across * across + down * down + 1e-9
    return np.asarray(0.5 * squared * cv2.log(squared), np.float64)
