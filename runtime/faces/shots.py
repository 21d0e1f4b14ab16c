"""Notice a shot change from two consecutive frames, cheaply."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.pyramid import Pyramid

#: Frames are compared on a grid of about this many points along the longer side.
GRID_POINTS = 64
#: Mean difference, in levels, from which two frames may belong to different shots ...
CUT_DIFFERENCE = 24.0
#: ... when it is also this many times the usual difference of this shot.
CUT_RATIO = 4.0


class ShotDetector:
    """Tells, frame by frame, whether a new shot begins."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._usual = 0.0

    def is_cut(self, picture: Pyramid) -> bool:
        """Take the next picture and tell whether it begins a new shot.

        Args:
            picture: Same size as the one before.

        Returns:
            True for a shot change; the first picture is none.
        """
        frame = picture.near(max(picture.size), GRID_POINTS).frame
        step = max(1, max(frame.shape[:2]) // GRID_POINTS)
        points = np.ascontiguousarray(frame[step // 2 :: step, step // 2 :: step])
        last, self._last = self._last, points
        if last is None or last.shape != points.shape:
            return False
        difference = cv2.norm(points, last, cv2.NORM_L1) / points.size
        cut = difference > CUT_DIFFERENCE and difference > CUT_RATIO * self._usual
        self._usual = 0.0 if cut else 0.8 * self._usual + 0.2 * difference
        return cut
