"""Thin-plate splines (Bookstein 1989): smooth movements of a plane from those of some points."""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points

#: Variance of the plane that a spline adds to its bends: so large that the plane is free, and the
#: equations can be solved by Cholesky's method.
_FREE = 1e4


class Spline:
    """One thin-plate spline: movements of control points to movements of a grid.

    The first movement is solved for by itself; from the second on a matrix is kept that does it.
    Frames of a video are shown once, and the matrix costs four times as much.
    """

    def __init__(
        self,
        system: NDArray[np.float64],
        points: Points,
        rows: NDArray[np.float32],
        at: Points,
    ) -> None:
        """Take the equations.

        Args:
            system: From ``spline_system``, ``(n, n)``.
            points: Control points, ``(n, 2)``.
            rows: Kernel between grid and control points, ``(g, n)``.
            at: The grid, ``(g, 2)``.
        """
        self._system, self._bends = system, rows
        self._plane, self._plane_at = _plane(points), _FREE * _plane(at)
        self._is_new = True

    def spread(self, moved: NDArray[np.float64]) -> NDArray[np.float32]:
        """Give the grid's movements ``(g, 2)`` for those of the control points, ``(n, 2)``."""
        if not self._is_new:
            return np.asarray(self._matrix @ moved.astype(np.float32), np.float32)
        self._is_new = False
        weights = cv2.solve(self._system, moved, flags=cv2.DECOMP_CHOLESKY)[1]
        bent = self._bends @ weights.astype(np.float32)
        return np.asarray(bent + self._plane_at @ (self._plane.T @ weights), np.float32)

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        weights = cv2.invert(self._system, flags=cv2.DECOMP_CHOLESKY)[1]
        matrix = self._bends @ weights + self._plane_at @ (self._plane.T @ weights)
        return np.asarray(matrix, np.float32)


def spline_system(points: Points, stiffness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the equations of a smoothing spline.

    Args:
        points: Control points, ``(n, 2)``, some units apart.
        stiffness: How far each may be missed, ``(n,)``; 0 meets it exactly.

    Returns:
        Positive definite, ``(n, n)``.
    """
    plane = _plane(points)
    system = kernel(points, points) + _FREE * (plane @ plane.T)
    system[np.diag_indices(len(points))] += stiffness
    return np.asarray(system, np.float64)


def _plane(points: Points) -> NDArray[np.float64]:
    """Give what a plane is made of at points ``(n, 2)``: one, x and y."""
    plane = np.ones((len(points), 3))
    plane[:, 1:] = points
    return plane


def kernel(a: Points, b: Points) -> NDArray[np.float32]:
    """Give r^2 log r between points; single precision moves no pixel by more than 0.002."""
    # In place: what is fresh memory here costs more than the sums.
    x, y = np.ascontiguousarray(b.T)
    across, down = a[:, :1] - x, a[:, 1:] - y
    across *= across
    down *= down
    across += down
    across += np.float32(1e-9)
    cv2.log(across, dst=down)
    cv2.multiply(across, down, dst=across, scale=0.5)
    return np.asarray(across, np.float32)
