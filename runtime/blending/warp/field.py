"""Two smooth displacement fields, one above and one below the mouth line, as one remap.

Thin-plate splines (Bookstein 1989) through lips, jaw and still points, evaluated on a coarse grid
by one matrix product per frame; the matrix depends on the reference frame alone.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points, apply_affine, invert_affine, smoothstep
from runtime.blending.warp.shape import JAW, STILL, LipPose, MouthShape
from runtime.types import FaceBox

#: Side of a grid cell in eye distances.
CELL = 0.05
#: Stiffness of the splines at lips and elsewhere: lips are followed, the rest is smoothed.
_LIP_STIFFNESS, _SKIN_STIFFNESS = 1e-4, 2e-3
#: The face's outline, all round.
_OVAL = np.concatenate(
    [
        [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377],
        [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109],
    ]
)
_LIP_POINTS = 44
_INVERSE_STEPS = 4
# cv2.remap takes both coordinates in its first map then.
NO_MAP = np.empty(0, np.float32)


class WarpField:
    """Turns lip poses of one reference frame into displacements of its pixels."""

    def __init__(self, shape: MouthShape, window: FaceBox) -> None:
        """Solve the splines.

        Args:
            shape: The frame's mouth.
            window: The part of the frame that may move.
        """
        self._shape, self._window = shape, window
        cell = max(2.0, CELL * shape.eye_distance)
        self._columns = max(12, round(window.width / cell))
        self._rows = max(12, round(window.height / cell))
        grid = self._grid_points()
        at_grid = apply_affine(invert_affine(shape.to_frame), grid)
        still = np.concatenate([shape.points[STILL], _outer_ring(shape), self._rim()])
        edge = self._taper()
        self._bases = [
            _spline_basis(np.concatenate([rows.reshape(-1, 2), shape.points[JAW]]), still, at_grid)
            * edge[:, None]
            for rows in shape.source
        ]
        across, down = np.arange(self._columns), np.arange(self._rows)
        self._cells = np.dstack(np.meshgrid(across, down)).astype(np.float32)

    def displacements(self, pose: LipPose) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give where each pixel comes from, as seen from above and below the mouth line.

        Args:
            pose: Where the lips are to be.

        Returns:
            Two coarse grids float32 ``(rows, columns, 2)``: source minus target, in pixels.
        """
        linear = self._shape.to_frame[:, :2]
        grids = []
        for basis, goal, start in zip(
            self._bases, (pose.upper, pose.lower), self._shape.source, strict=True
        ):
            moved = np.concatenate([(goal - start).reshape(-1, 2), pose.jaw]) @ linear.T
            forward = (basis @ moved).reshape(self._rows, self._columns, 2)
            grids.append(self._inverse(np.asarray(forward, np.float32)))
        return grids[0], grids[1]

    def _inverse(self, forward: NDArray[np.float32]) -> NDArray[np.float32]:
        """Invert a displacement by fixed-point iteration on the grid."""
        scale = np.array(
            [self._columns / self._window.width, self._rows / self._window.height], np.float32
        )
        backward = -forward
        for _ in range(_INVERSE_STEPS):
            at = self._cells + backward * scale
            there = cv2.remap(
                forward, at, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            backward = np.negative(there, dtype=np.float32)
        return np.asarray(backward, np.float32)

    def _grid_points(self) -> Points:
        """Give the grid's points in frame pixels, where ``cv2.resize`` takes its samples."""
        window = self._window
        x = window.x1 + (np.arange(self._columns) + 0.5) * window.width / self._columns - 0.5
        y = window.y1 + (np.arange(self._rows) + 0.5) * window.height / self._rows - 0.5
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


def _spline_basis(moving: Points, still: Points, at: Points) -> NDArray[np.float32]:
    """Give the matrix ``(at, moving)`` from movements of control points to movements elsewhere."""
    points = np.concatenate([moving, still]).astype(np.float64)
    count = len(points)
    stiffness = np.full(count, _SKIN_STIFFNESS)
    stiffness[:_LIP_POINTS] = _LIP_STIFFNESS
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(points, points) + np.diag(stiffness)
    affine = np.column_stack([np.ones(count), points])
    system[:count, count:], system[count:, :count] = affine, affine.T
    # OpenCV's own algebra: for systems this small NumPy's threads cost ten times what they save.
    solved = np.ascontiguousarray(cv2.invert(system)[1][:, : len(moving)])
    rows = np.column_stack([_kernel(at, points), np.ones(len(at)), at])
    return np.asarray(cv2.gemm(rows, solved, 1, np.empty(0), 0), np.float32)


def _kernel(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    across = np.subtract.outer(a[:, 0].astype(np.float64), b[:, 0])
    down = np.subtract.outer(a[:, 1].astype(np.float64), b[:, 1])
    squared = across * across + down * down + 1e-9
    return np.asarray(0.5 * squared * cv2.log(squared), np.float64)
