"""The common ground of the soft methods: a mouth as a change of its face, not as a picture.

With ``c`` the face the mouth was generated for, ``g`` the mouth and ``up`` the enlargement, the
new picture is ``reference + mask * up(g - c)`` outside the lips: detail finer than 96 pixels
(pores, stubble, grain) is the avatar's own and stays sharp. Inside the lips that detail stays only
where the mouth looks as it does in the frame; where it has moved, the detail would be the lip line
of another mouth, and the picture there is ``up(g)``, made crisp, with grain.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending import tone
from runtime.blending.lips import Points, apply_affine, invert_affine
from runtime.blending.masks import lip_mask
from runtime.blending.options import BlendOptions
from runtime.blending.region import MouthRegion, crop_to_frame, prepare_region
from runtime.types import CROP_SIZE, Mask, MouthCrop, Patch, ReferenceFrame

#: Differences between mouth and face, in grey levels, up to which the face's own detail stays and
#: from which on none of it does ...
SAME, OTHER = 13.0, 48.0
#: ... where that detail is this strong. Weaker detail may stay longer, for it shows less.
STRONG_DETAIL = 8.0
_LEEWAY = (0.35, 4.0)
#: Scale in crop pixels on which strength of detail is measured.
_DETAIL_SCALE = 1.2


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
        detail: What ``base`` lacks of the reference picture, in ``window``.
        window: Rows and columns of the region outside which ``base`` lacks nothing.
        strictness: Share of the detail that goes per grey level by which a mouth differs from the
            face, in ``lip_window``.
        lips: Where the mouth replaces the picture wholly, ``(96, 96)``.
        lip_window: Rows and columns of the crop outside which ``lips`` is 0.
        inside: ``lips`` in the region, ``(h, w)``.
        crop: The face the mouth was generated for, float32 ``(96, 96, 3)``.
        colours: Look-up table for the mouth, uint8 ``(256, 1, 3)``; ``None`` when no match is
            wanted.
        teeth: Gives teeth their colour, in ``lip_window``.
    """

    area: MouthRegion
    base: NDArray[np.float32]
    detail: NDArray[np.float32]
    window: tuple[slice, slice]
    strictness: Mask
    lips: Mask
    lip_window: tuple[slice, slice]
    inside: Mask
    crop: NDArray[np.float32]
    colours: NDArray[np.uint8] | None
    teeth: tone.NaturalTeeth


class Change(NamedTuple):
    """What a mouth changes, in crop pixels.

    Attributes:
        levels: What to add to the face, float32 ``(96, 96, 3)``.
        kept: How much of the face's own fine detail stays, ``(96, 96)``.
    """

    levels: NDArray[np.float32]
    kept: Mask


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
    base = area.pixels.astype(np.float32)
    inside = area.enlarge(lips, smooth=False)
    replaced = area.mask * inside
    window, lip_window = _window(replaced), _window(lips)
    weight = cv2.merge([replaced[window]] * 3)
    detail = cv2.multiply(cv2.subtract(base[window], area.enlarge(crop)[window]), weight)
    strictness = np.ascontiguousarray(_strictness(area, detail, window)[lip_window])
    if options.grain:
        level = tone.grain_level(area.pixels, (area.mask > 0) - replaced)
        grain = cv2.merge([level * tone.grain_pattern(window, reference.index)] * 3)
        detail = cv2.subtract(detail, cv2.multiply(grain, weight))
    cv2.subtract(base[window], detail, dst=base[window])
    colours = _match(reference, rest, crop_mask, lips) if options.colour_match else None
    return Canvas(
        area=area,
        base=base,
        detail=np.asarray(detail, np.float32),
        window=window,
        strictness=strictness,
        lips=lips,
        lip_window=lip_window,
        inside=inside,
        crop=crop,
        colours=colours,
        teeth=tone.NaturalTeeth(reference.crop[lip_window]),
    )


def tuned_mouth(canvas: Canvas, mouth: MouthCrop, options: BlendOptions) -> MouthCrop:
    """Match the mouth's colour and sharpen it as asked."""
    if canvas.colours is not None:
        mouth = np.asarray(cv2.LUT(mouth, canvas.colours), np.uint8)
        at = canvas.lip_window
        mouth[at] = canvas.teeth.of(mouth[at])
    if options.sharpen_mouth:
        mouth = tone.sharpen_crop(mouth, options.sharpen_amount)
    return mouth


def change_of(canvas: Canvas, mouth: MouthCrop) -> Change:
    """Compare a tuned mouth with its face."""
    levels = np.asarray(cv2.subtract(mouth, canvas.crop, dtype=cv2.CV_32F), np.float32)
    at = canvas.lip_window
    apart = tone.strongest(cv2.absdiff(mouth[at], canvas.area.reference.crop[at]))
    differs = cv2.blur(apart, (5, 5))
    kept = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    lost = cv2.multiply(differs, canvas.strictness, dtype=cv2.CV_32F)
    np.clip(OTHER / (OTHER - SAME) - lost, 0, 1, out=kept[at])
    return Change(levels, kept)


def crisp_change_of(canvas: Canvas, mouth: MouthCrop) -> Change:
    """Compare a tuned mouth with its face, and make lips crisp that lack the face's detail."""
    levels, kept = change_of(canvas, mouth)
    at = canvas.lip_window
    crisper = cv2.multiply(tone.crispness(mouth[at]), canvas.lips[at] * (1 - kept[at]))
    cv2.add(levels[at], cv2.merge([crisper] * 3), levels[at])
    return Change(levels, kept)


def paste_change(canvas: Canvas, change: NDArray[np.float32], kept: Mask) -> Patch:
    """Add an enlarged change, ``(h, w, 3)``, to the canvas under its mask; overwrites it."""
    return _finish(canvas, cv2.multiply(change, canvas.area.mask3, change), kept)


def add_change(canvas: Canvas, weighted: NDArray[np.float32], kept: Mask) -> Patch:
    """Add a change that was weighted in crop pixels already, ``(96, 96, 3)``."""
    area = canvas.area
    added: cv2.typing.MatLike = area.enlarge(weighted)
    if area.clear is not None:
        added = cv2.multiply(added, cv2.merge([area.clear] * 3))
    return _finish(canvas, added, kept)


def _finish(canvas: Canvas, added: cv2.typing.MatLike, kept: Mask) -> Patch:
    """Put base, change and what is left of the detail together."""
    area, window = canvas.area, canvas.window
    share = area.enlarge(kept, smooth=False)[window]
    detail = cv2.multiply(canvas.detail, cv2.merge([share, share, share]))
    cv2.add(added[window], detail, added[window])
    pixels = cv2.add(canvas.base, added, dtype=cv2.CV_8U)
    return Patch(area.reference, area.region, np.asarray(pixels, np.uint8), area.touched)


def _window(weight: Mask) -> tuple[slice, slice]:
    """Give the rows and columns outside which a mask is 0; one pixel of a mask that is 0 all over.

    OpenCV takes no empty pictures, and a hand may hide a mouth wholly.
    """
    x, y, width, height = cv2.boundingRect((weight > 0).astype(np.uint8))
    return slice(y, y + max(height, 1)), slice(x, x + max(width, 1))


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
        levels, kept = crisp_change_of(prepared, tuned_mouth(prepared, mouth, self._options))
        return paste_change(prepared, prepared.area.enlarge(levels), kept)


def _strictness(area: MouthRegion, detail: cv2.typing.MatLike, window: tuple[slice, slice]) -> Mask:
    """Measure the strength of the detail round every crop pixel; see ``Canvas.strictness``."""
    strength = np.zeros(area.mask.shape, np.float32)
    strength[window] = tone.strongest(np.abs(detail))
    scale = area.reference.box.width / CROP_SIZE
    smooth = cv2.GaussianBlur(strength, (0, 0), _DETAIL_SCALE * max(scale, 0.5))
    size_wh = (CROP_SIZE, CROP_SIZE)
    small = np.asarray(cv2.warpAffine(smooth, area.region_to_crop, size_wh), np.float32)
    leeway = np.clip(STRONG_DETAIL / np.maximum(small, 0.1), *_LEEWAY)
    return (1 / ((OTHER - SAME) * leeway)).astype(np.float32)


def _match(
    reference: ReferenceFrame, rest: MouthCrop, crop_mask: Mask, lips: Mask
) -> NDArray[np.uint8]:
    """Compare the skin inside the mask but outside the lips, lower half only.

    The upper half of a crop is copied by the generator, so it says nothing about its colours.
    """
    ring = (crop_mask > 0.02) * (1 - lips)
    ring[: CROP_SIZE // 2] = 0
    if reference.cover is not None:
        ring *= cv2.resize(reference.cover, ring.shape) == 0
    return tone.gain_table(tone.ring_gain(rest, reference.crop, ring.astype(np.float32)))
