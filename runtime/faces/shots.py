"""Notice a shot change from two consecutive frames, cheaply."""

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
        self._last: NDArray[np.int16] | None = None
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
        points = frame[step // 2 :: step, step // 2 :: step].astype(np.int16)
        last, self._last = self._last, points
        if last is None or last.shape != points.shape:
            return False
        difference = float(np.abs(points - last).mean())
        cut = difference > CUT_DIFFERENCE and difference > CUT_RATIO * self._usual
        self._usual = 0.0 if cut else 0.8 * self._usual + 0.2 * difference
        return cut
