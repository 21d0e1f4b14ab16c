"""Where the mouth goes: crop geometry, masks and the picture below, prepared once per frame."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.fitting import guided_filter
from runtime.blending.lips import Affine, apply_affine, invert_affine, smoothstep
from runtime.planes import to_bgr
from runtime.types import CROP_SIZE, FaceBox, Frame, Mask, ReferenceFrame

#: Weights below this change no 8-bit pixel and are not written.
LEAST_WEIGHT = 1 / 256
#: A cover is fitted to the picture within this share of the face's width.
FIT_SHARE = 0.025


def crop_to_frame(box: FaceBox, angle: float) -> Affine:
    """Give the affine from crop pixels to frame pixels, both at pixel centres.

    Args:
        box: Face box; with an angle, in the frame turned upright around the box's centre.
        angle: Roll in degrees, positive when the picture's right eye is lower.
    """
    across, down = box.width / CROP_SIZE, box.height / CROP_SIZE
    upright = np.array([[across, 0, box.x1 + (across - 1) / 2], [0, down, box.y1 + (down - 1) / 2]])
    if angle == 0:
        return upright.astype(np.float32)
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([box.x1 + box.x2 - 1, box.y1 + box.y2 - 1]) / 2
    upright[:, 2] -= centre
    turned: Affine = (rotation @ upright).astype(np.float32)
    turned[:, 2] += centre
    return turned


def even_region(low: Iterable[float], high: Iterable[float], reference: ReferenceFrame) -> FaceBox:
    """Give the smallest even-aligned region of the frame that holds a rectangle."""
    height, width = reference.size
    x1, y1 = (max(math.floor(v), 0) // 2 * 2 for v in low)
    x2, y2 = (
        -(-min(math.ceil(v), side) // 2) * 2 for v, side in zip(high, (width, height), strict=True)
    )
    return FaceBox(x1, y1, max(x2, x1), max(y2, y1))


@dataclass(frozen=True, eq=False)
class MouthRegion:
    """The part of one reference frame that a mouth is blended into.

    Attributes:
        reference: The frame.
        crop_mask: Weight of the generated mouth, ``(96, 96)`` in crop pixels.
        crop_to_frame: Affine from crop pixels to frame pixels.
        region: Even-aligned bounds of the mask in the frame.
        mask: ``crop_mask`` in the region, ``(h, w)``; exactly 0 where nothing is written.
        clear: 0 where something is in front of the face, ``(h, w)``; ``None`` where nothing is.
    """

    reference: ReferenceFrame
    crop_mask: Mask
    crop_to_frame: Affine
    region: FaceBox
    mask: Mask
    clear: Mask | None = None

    @cached_property
    def pixels(self) -> Frame:
        """The reference picture in the region, uint8 ``(h, w, 3)`` BGR."""
        return to_bgr(self.reference.planes, self.region)

    @cached_property
    def touched(self) -> NDArray[np.bool_]:
        """Where the mask is not 0, ``(h, w)``."""
        return np.asarray(self.mask > 0)

    @cached_property
    def mask3(self) -> Mask:
        """The mask once per colour, ``(h, w, 3)``."""
        return np.asarray(cv2.merge([self.mask] * 3), np.float32)

    @cached_property
    def region_to_crop(self) -> Affine:
        """Affine from the region's pixels to crop pixels."""
        return region_to_crop(self.crop_to_frame, self.region)

    def enlarge(self, values: NDArray[np.float32], *, smooth: bool = True) -> NDArray[np.float32]:
        """Bring crop values to the region's pixels.

        Args:
            values: float32 ``(96, 96)`` or ``(96, 96, 3)``.
            smooth: Cubic when true, linear (no overshoot: for masks) when false.

        Returns:
            float32 ``(h, w)`` or ``(h, w, 3)``; outside the face box the nearest value.
        """
        return enlarge(values, self.reference, self.crop_to_frame, self.region, smooth=smooth)


def prepare_region(reference: ReferenceFrame, crop_mask: Mask) -> MouthRegion:
    """Bring a mask in crop pixels to its frame.

    Args:
        reference: Frame with a face.
        crop_mask: float32 ``(96, 96)``, [0, 1]; 0 in the outermost pixels.
    """
    affine = crop_to_frame(reference.box, reference.angle)
    rows, columns = np.where(crop_mask.any(1))[0], np.where(crop_mask.any(0))[0]
    x1, y1, x2, y2 = columns[0] - 1, rows[0] - 1, columns[-1] + 1, rows[-1] + 1
    corners = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]], np.float32)
    bounds = apply_affine(affine, corners)
    region = even_region(bounds.min(0).tolist(), (bounds.max(0) + 1).tolist(), reference)
    mask = enlarge(crop_mask, reference, affine, region, smooth=False)
    clear = uncovered(reference, affine, region)
    if clear is not None:
        mask = mask * clear
    mask = np.where(mask < LEAST_WEIGHT, np.float32(0), mask)
    return MouthRegion(reference, crop_mask, affine, region, mask, clear)


def uncovered(reference: ReferenceFrame, affine: Affine, region: FaceBox) -> Mask | None:
    """Tell where a face is to be seen and where something is in front of it.

    Args:
        reference: Frame with a face.
        affine: From crop to frame pixels.
        region: Part of the frame that is wanted.

    Returns:
        float32 ``(h, w)``: 0 on things in front, fitted to their contours, 1 on the face; ``None``
        when nothing is in front.
    """
    if reference.cover is None:
        return None
    size_wh = (CROP_SIZE, CROP_SIZE)
    cover = cv2.resize(reference.cover, size_wh).astype(np.float32) / np.float32(255)
    share = enlarge(cover, reference, affine, region, smooth=False)
    picture = to_bgr(reference.planes, region)
    radius = max(2, round(FIT_SHARE * reference.box.width))
    fitted = np.maximum(guided_filter(picture, share, radius), smoothstep(share, 0.8, 1))
    return 1 - smoothstep(fitted, 0.2, 0.6)


def enlarge(
    values: NDArray[np.float32],
    reference: ReferenceFrame,
    affine: Affine,
    region: FaceBox,
    *,
    smooth: bool,
) -> NDArray[np.float32]:
    """Bring crop values to the pixels of a region; see ``MouthRegion.enlarge``."""
    flag = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    box = reference.box
    inside = region.x1 >= box.x1 and region.y1 >= box.y1 and region.x2 <= box.x2
    if reference.angle == 0 and inside and region.y2 <= box.y2:
        if box.width < CROP_SIZE and box.height < CROP_SIZE:
            flag = cv2.INTER_AREA
        whole = cv2.resize(values, (box.width, box.height), interpolation=flag)
        return np.asarray(
            whole[region.y1 - box.y1 : region.y2 - box.y1, region.x1 - box.x1 : region.x2 - box.x1],
            np.float32,
        )
    warped = cv2.warpAffine(
        values,
        region_to_crop(affine, region),
        (region.width, region.height),
        flags=flag | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.float32)


def region_to_crop(affine: Affine, region: FaceBox) -> Affine:
    """Give the affine from a region's pixels to crop pixels."""
    to_crop = invert_affine(affine)
    to_crop[:, 2] += to_crop[:, :2] @ np.array([region.x1, region.y1], np.float32)
    return to_crop
