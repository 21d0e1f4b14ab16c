"""The common ground of the soft methods: a mouth as a change of its face, not as a picture.

With ``c`` the face the mouth was generated for, ``g`` the mouth and ``up`` the enlargement, the
new picture is ``reference + mask * up(g - c)`` outside the lips: detail finer than 96 pixels
(pores, stubble, grain) is the avatar's own and stays sharp. Inside the lips that detail would be
the lip line of another mouth, so it is taken out: there the picture is ``up(g)`` plus grain.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending import tone
from runtime.blending.lips import Points, apply_affine, invert_affine
from runtime.blending.masks import lip_mask
from runtime.blending.options import BlendOptions
from runtime.blending.region import MouthRegion, crop_to_frame, prepare_region
from runtime.types import CROP_SIZE, Frame, Mask, MouthCrop, Patch, ReferenceFrame


class MaskShape(Protocol):
    """Gives a mask ``(96, 96)`` for a face mesh in crop pixels."""

    def __call__(self, points: Points, options: BlendOptions, /) -> Mask:
        """Draw the mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A reference frame ready for mouths.

    Attributes:
        area: Where the mouth goes.
        base: The reference picture without its lips' fine detail, with grain instead, float32
            ``(h, w, 3)``.
        lips: Where the mouth replaces the picture wholly, ``(96, 96)``.
        inside: ``lips`` in the region, ``(h, w)``.
        crop: The face the mouth was generated for, float32 ``(96, 96, 3)``.
        colours: Look-up table for the mouth, uint8 ``(256, 1, 3)``; ``None`` when no match is
            wanted.
    """

    area: MouthRegion
    base: NDArray[np.float32]
    lips: Mask
    inside: Mask
    crop: NDArray[np.float32]
    colours: NDArray[np.uint8] | None


def crop_points(reference: ReferenceFrame) -> Points:
    """Give the face mesh in crop pixels, ``(468, 2)``."""
    to_crop = invert_affine(crop_to_frame(reference.box, reference.angle))
    return apply_affine(to_crop, reference.landmarks)


def prepare_canvas(
    reference: ReferenceFrame, rest: MouthCrop, crop_mask: Mask, options: BlendOptions
) -> Canvas:
    """Do once per reference frame what all soft methods share.

    Args:
        reference: Frame with a face.
        rest: Its mouth in silence, or any mouth generated for it.
        crop_mask: Weight of the mouth, ``(96, 96)``.
        options: ``colour_match`` and ``grain``.
    """
    area = prepare_region(reference, crop_mask)
    lips = lip_mask(crop_points(reference))
    crop = reference.crop.astype(np.float32)
    below = area.pixels.astype(np.float32)
    inside = area.enlarge(lips, smooth=False)
    replaced = area.mask * inside
    detail = below - area.enlarge(crop)
    base = below - detail * replaced[..., None]
    if options.grain:
        level = tone.grain_level(area.pixels, (area.mask > 0) - replaced)
        grain = level * tone.grain_pattern(area.mask.shape, reference.index)
        base += (grain * replaced)[..., None]
    colours = _match(reference, rest, crop_mask, lips) if options.colour_match else None
    return Canvas(area, base, lips, inside, crop, colours)


def tuned_mouth(canvas: Canvas, mouth: MouthCrop, options: BlendOptions) -> MouthCrop:
    """Match the mouth's colour and sharpen it as asked."""
    if canvas.colours is not None:
        mouth = np.asarray(cv2.LUT(mouth, canvas.colours), np.uint8)
    if options.sharpen_mouth:
        mouth = tone.sharpen_crop(mouth, options.sharpen_amount)
    return mouth


def change_of(canvas: Canvas, mouth: MouthCrop) -> NDArray[np.float32]:
    """Give ``g - c``, float32 ``(96, 96, 3)``."""
    return np.asarray(cv2.subtract(mouth, canvas.crop, dtype=cv2.CV_32F), np.float32)


def paste_change(canvas: Canvas, change: NDArray[np.float32]) -> Patch:
    """Add an enlarged change, ``(h, w, 3)``, to the canvas under its mask."""
    weighted = cv2.multiply(change, canvas.area.mask3)
    return finish(canvas, np.asarray(cv2.add(weighted, canvas.base, dtype=cv2.CV_8U), np.uint8))


def add_change(canvas: Canvas, weighted: NDArray[np.float32]) -> Patch:
    """Add a change that was weighted in crop pixels already, ``(96, 96, 3)``."""
    enlarged = canvas.area.enlarge(weighted)
    return finish(canvas, np.asarray(cv2.add(enlarged, canvas.base, dtype=cv2.CV_8U), np.uint8))


def finish(canvas: Canvas, pixels: Frame) -> Patch:
    """Wrap blended pixels of the canvas's region."""
    area = canvas.area
    return Patch(area.reference, area.region, pixels, area.touched)


class SoftPaste:
    """Adds the enlarged change under a soft mask; ``mesh`` and ``ellipse`` are this."""

    def __init__(self, shape: MaskShape, options: BlendOptions) -> None:
        """Choose the mask's shape and the options that all frames share."""
        self._shape = shape
        self._options = options

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> Canvas:
        """Draw the mask and build the canvas; see ``Method``."""
        crop_mask = self._shape(crop_points(reference), self._options)
        return prepare_canvas(reference, rest, crop_mask, self._options)

    def blend(self, prepared: Canvas, mouth: MouthCrop) -> Patch:
        """Add the change of this mouth; see ``Method``."""
        change = change_of(prepared, tuned_mouth(prepared, mouth, self._options))
        return paste_change(prepared, prepared.area.enlarge(change))


def _match(
    reference: ReferenceFrame, rest: MouthCrop, crop_mask: Mask, lips: Mask
) -> NDArray[np.uint8]:
    """Compare the skin inside the mask but outside the lips, lower half only.

    The upper half of a crop is copied by the generator, so it says nothing about its colours.
    """
    ring = (crop_mask > 0.02) * (1 - lips)
    ring[: CROP_SIZE // 2] = 0
    return tone.gain_table(tone.ring_gain(rest, reference.crop, ring.astype(np.float32)))
