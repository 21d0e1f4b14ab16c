"""The lip contours of one frame as curves over pixel columns."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points, apply_affine
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
    """The mouth opening of one frame, in level pixels, over the columns of a rectangle.

    Attributes:
        upper: Inner edge of the upper lip per column, ``(w,)``.
        lower: Inner edge of the lower lip, ``(w,)``, nowhere above ``upper``.
        line: The mouth line, straight on beyond the corners, ``(w,)``.
        across: Where each column lies between the corners, 0 to 1 inside, ``(w,)``.
        left: Column of the left inner corner.
        right: Column of the right inner corner.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    line: NDArray[np.float32]
    across: NDArray[np.float32]
    left: float
    right: float

    @classmethod
    def of_pose(cls, shape: MouthShape, pose: LipPose, part: FaceBox) -> "Contour":
        """Draw the inner lip contours of a pose over a rectangle's columns."""
        columns = np.arange(part.x1, part.x2, dtype=np.float32)
        upper = smooth_curve(apply_affine(shape.to_frame, pose.upper[3]))
        lower = smooth_curve(apply_affine(shape.to_frame, pose.lower[3]))
        top = np.interp(columns, upper[:, 0], upper[:, 1]).astype(np.float32)
        bottom = np.interp(columns, lower[:, 0], lower[:, 1]).astype(np.float32)
        left, right = (float((upper[i, 0] + lower[i, 0]) / 2) for i in (0, -1))
        width = max(right - left, 1.0)
        slope = (upper[-1, 1] - upper[0, 1]) / width
        beyond = np.where(columns < left, columns - left, np.maximum(columns - right, 0))
        line = ((top + bottom) / 2 + slope * beyond).astype(np.float32)
        across = ((columns - left) / width).astype(np.float32)
        return cls(top, np.maximum(bottom, top), line, across, left, right)

    @property
    def outside(self) -> NDArray[np.float32]:
        """How far each column lies outside the corners, in pixels, ``(w,)``."""
        beyond = np.maximum(-self.across, self.across - 1) * np.float32(self.right - self.left)
        return np.asarray(np.maximum(beyond, 0), np.float32)

    def columns(self, first: int, last: int) -> "Contour":
        """Give the contour over some of its columns."""
        cut = slice(first, last)
        return replace(
            self,
            upper=self.upper[cut],
            lower=self.lower[cut],
            line=self.line[cut],
            across=self.across[cut],
        )


def smooth_curve(knots: Points) -> Points:
    """Give 41 points on a natural cubic spline through eleven lip points ``(11, 2)``."""
    return np.asarray(_SPLINE @ knots, np.float32)
