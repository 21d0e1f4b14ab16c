"""``edge_aware``: the fade avoids contours and places where mouth and face differ."""

from dataclasses import dataclass

import cv2
import numpy as np

from runtime.blending.lips import smoothstep
from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import (
    Canvas,
    add_change,
    crisp_change_of,
    crop_points,
    prepare_canvas,
    tuned_mouth,
)
from runtime.blending.tone import strongest
from runtime.types import Mask, MouthCrop, Patch, ReferenceFrame

#: Gradient of the crop, grey levels per pixel, at which a contour is certain.
CONTOUR_STEP = 24.0
#: Difference between mouth and face, grey levels, at which the fade is closed.
DISAGREEMENT = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """A canvas with what its fade must avoid; both masks ``(96, 96)``.

    Attributes:
        canvas: The canvas.
        contours: 1 on contours of the face.
        free: 1 in the fade, 0 in the middle of the mask, where the mouth always wins.
    """

    canvas: Canvas
    contours: Mask
    free: Mask


class EdgeAware:
    """Narrows the fade where it would show."""

    def __init__(self, options: BlendOptions) -> None:
        """Keep the options that all frames share."""
        self._options = options

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> Edges:
        """Find the contours; see ``Method``."""
        mask = lower_face_mask(crop_points(reference), self._options)
        canvas = prepare_canvas(reference, rest, mask, self._options)
        grey = cv2.cvtColor(cv2.GaussianBlur(reference.crop, (0, 0), 1.0), cv2.COLOR_BGR2GRAY)
        steps = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4
        contours = cv2.GaussianBlur(np.minimum(steps / CONTOUR_STEP, 1), (5, 5), 0)
        free = 1 - np.maximum(smoothstep(mask, 0.35, 0.85), canvas.lips)
        return Edges(canvas, np.asarray(contours, np.float32), free)

    def blend(self, prepared: Edges, mouth: MouthCrop) -> Patch:
        """Weigh the change by a mask made for this very mouth; see ``Method``."""
        canvas = prepared.canvas
        change, kept = crisp_change_of(canvas, tuned_mouth(canvas, mouth, self._options))
        differs = strongest(np.abs(cv2.GaussianBlur(change, (7, 7), 0))) / DISAGREEMENT
        avoided = np.minimum(prepared.contours + differs, 1) * prepared.free
        weight = canvas.area.crop_mask * (1 - avoided)
        return add_change(canvas, np.asarray(change * weight[..., None], np.float32), kept)
