"""Fit a mask to the contours of a picture (guided filter; He, Sun, Tang 2010)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import Mask

#: Contrasts below this, in grey levels, are no contour.
CONTOUR_LEVEL = 20.0


def guided_filter(picture: NDArray[np.uint8], mask: Mask, radius: int) -> Mask:
    """Make a mask locally a linear function of a picture's brightness.

    Args:
        picture: uint8 ``(h, w, 3)`` BGR.
        mask: float32 ``(h, w)``.
        radius: Half width of the window, in pixels.

    Returns:
        float32 ``(h, w)``; may leave [0, 1] slightly.
    """
    guide = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values: cv2.typing.MatLike) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, window), np.float32)

    guide_mean, mask_mean = mean(guide), mean(mask)
    variance = mean(guide * guide) - guide_mean * guide_mean
    noise = np.float32(CONTOUR_LEVEL**2)
    slope = (mean(guide * mask) - guide_mean * mask_mean) / (variance + noise)
    return mean(slope) * guide + mean(mask_mean - slope * guide_mean)
