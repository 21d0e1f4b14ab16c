"""The lip contours of one frame as curves over pixel columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points, apply_affine, smoothstep
from runtime.blending.warp.shape import LipPose, MouthShape
from runtime.types import FaceBox

_SAMPLES = 41


def _natural_spline(count: int, samples: int) -> NDArray[np.float32]:
    """Give the matrix ``(samples, count)`` of a natural cubic spline through even knots."""
    second = np.zeros((count, count))
    system = np.eye(count)
    for i in range(1, count - 1):
        system[i, i - 1 : i + 2] = (1, 4, 1)
        second[i, i - 1 : i + 2] = (6, -12, 6)
    curvature = np.linalg.solve(system, second)
    t = np.linspace(0, count - 1, samples)
    left = np.minimum(t.astype(int), count - 2)
    b = (t - left)[:, None]
    a = 1 - b
    values, bend = np.eye(count), curvature
    return np.asarray(
        a * values[left]
        + b * values[left + 1]
        + ((a**3 - a) * bend[left] + (b**3 - b) * bend[left + 1]) / 6,
        np.float32,
    )


_SPLINE = _natural_spline(11, _SAMPLES)


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """The mouth opening of one frame in pixels.

    Attributes:
        upper: Inner edge of the upper lip per column of the window, frame pixels, ``(w,)``.
        lower: Inner edge of the lower lip, ``(w,)``, nowhere above ``upper``.
        line: The mouth line, straight on beyond the corners, ``(w,)``.
        left: Column of the left inner corner.
        right: Column of the right inner corner.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    line: NDArray[np.float32]
    left: float
    right: float

    @classmethod
    def of_pose(cls, shape: MouthShape, pose: LipPose, window: FaceBox) -> "Contour":
        """Draw the inner lip contours of a pose over a window's columns."""
        columns = np.arange(window.x1, window.x2, dtype=np.float32)
        upper = smooth_curve(apply_affine(shape.to_frame, pose.upper[3]))
        lower = smooth_curve(apply_affine(shape.to_frame, pose.lower[3]))
        top = np.interp(columns, upper[:, 0], upper[:, 1]).astype(np.float32)
        bottom = np.interp(columns, lower[:, 0], lower[:, 1]).astype(np.float32)
        left, right = (float((upper[i, 0] + lower[i, 0]) / 2) for i in (0, -1))
        slope = (upper[-1, 1] - upper[0, 1]) / max(right - left, 1.0)
        beyond = np.where(columns < left, columns - left, np.maximum(columns - right, 0))
        line = (top + bottom) / 2 + slope * beyond
        return cls(top, np.maximum(bottom, top), line.astype(np.float32), left, right)

    def across(self, window: FaceBox) -> NDArray[np.float32]:
        """Give how far each column of a window lies between the corners, 0 to 1 inside."""
        columns = np.arange(window.x1, window.x2, dtype=np.float32)
        return np.asarray((columns - self.left) / max(self.right - self.left, 1.0), np.float32)

    def distance_outside(self, window: FaceBox) -> NDArray[np.float32]:
        """Give how far each column of a window lies outside the corners, in pixels."""
        columns = np.arange(window.x1, window.x2, dtype=np.float32)
        outside = np.maximum(self.left - columns, columns - self.right)
        return np.asarray(np.maximum(outside, 0), np.float32)

    def fade_at_corners(self, window: FaceBox, low: float, high: float) -> NDArray[np.float32]:
        """Give a weight per column that is 0 at the corners and 1 between them."""
        across = self.across(window)
        return smoothstep(np.minimum(across, 1 - across), low, high)


def smooth_curve(knots: Points) -> Points:
    """Give 41 points on a natural cubic spline through eleven lip points ``(11, 2)``."""
    return np.asarray(_SPLINE @ knots, np.float32)
