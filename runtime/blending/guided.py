"""``guided``: the mask follows the picture's own contours, so hair and jaw lines stay whole."""

import dataclasses

import numpy as np

from runtime.blending.fitting import guided_filter
from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import Canvas, SoftPaste, crop_points, prepare_canvas
from runtime.blending.region import LEAST_WEIGHT
from runtime.types import MouthCrop, ReferenceFrame

#: Radius of the filter as a share of the face's width.
RADIUS_SHARE = 0.06


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
        if plain.area.clear is not None:
            fitted = np.minimum(fitted, plain.area.clear)
        mask = np.where(fitted < LEAST_WEIGHT, np.float32(0), fitted).astype(np.float32)
        return dataclasses.replace(plain, area=dataclasses.replace(plain.area, mask=mask))
