"""``guided``: the mask follows the picture's own contours, so hair and jaw lines stay whole."""

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import Canvas, SoftPaste, crop_points, prepare_canvas
from runtime.blending.region import LEAST_WEIGHT
from runtime.types import Mask, MouthCrop, ReferenceFrame

#: Radius of the filter as a share of the face's width.
RADIUS_SHARE = 0.06
#: Contrasts below this, in grey levels, are no contour.
CONTOUR_LEVEL = 20.0


class Guided(SoftPaste):
    """Blends under the lower-face mask after a guided filter (He, Sun, Tang 2010)."""

    def __init__(self, options: BlendOptions) -> None:
        """Take the lower face as the mask's shape."""
        super().__init__(lower_face_mask, options)
        self._options = options

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> Canvas:
        """Fit the mask to the reference picture; see ``Method``."""
        crop_mask = lower_face_mask(crop_points(reference), self._options)
        plain = prepare_canvas(reference, rest, crop_mask, self._options)
        radius = max(2, round(RADIUS_SHARE * reference.box.width))
        fitted = guided_filter(plain.area.pixels, plain.area.mask, radius)
        rim = np.minimum(plain.area.mask * 8, 1)
        fitted = np.clip(fitted, 0, 1) * rim
        # The lips' own detail is out of the canvas: there the mask must stay as it was.
        fitted += (plain.area.mask - fitted) * plain.inside
        mask = np.where(fitted < LEAST_WEIGHT, np.float32(0), fitted).astype(np.float32)
        return dataclasses.replace(plain, area=dataclasses.replace(plain.area, mask=mask))


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
