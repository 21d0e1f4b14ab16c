"""``box``: the whole generated rectangle, as Wav2Lip's own script pastes it."""

import cv2
import numpy as np

from runtime.blending.lips import apply_affine, invert_affine
from runtime.blending.region import MouthRegion, crop_to_frame, even_region, uncovered
from runtime.types import CROP_SIZE, MouthCrop, Patch, ReferenceFrame


class Box:
    """Replaces the face box, edges and all: for comparison with other programs."""

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> MouthRegion:
        """Find where the rectangle lies; see ``Method``."""
        del rest
        affine = crop_to_frame(reference.box, reference.angle)
        low, high = -0.5, CROP_SIZE - 0.5
        corners = np.array([[low, low], [high, low], [low, high], [high, high]], np.float32)
        bounds = apply_affine(affine, corners) + 0.5
        region = even_region(
            bounds.min(0).round(3).tolist(), bounds.max(0).round(3).tolist(), reference
        )
        columns, rows = np.meshgrid(
            np.arange(region.x1, region.x2), np.arange(region.y1, region.y2)
        )
        points = apply_affine(invert_affine(affine), np.stack([columns, rows], -1))
        inside = ((points > low) & (points < high)).all(-1)
        whole = np.ones((CROP_SIZE, CROP_SIZE), np.float32)
        mask = np.asarray(inside, np.float32)
        clear = uncovered(reference, affine, region)
        if clear is not None:
            mask = mask * clear
        return MouthRegion(reference, whole, affine, region, mask, clear)

    def blend(self, prepared: MouthRegion, mouth: MouthCrop) -> Patch:
        """Resize bilinearly and copy; see ``Method``."""
        reference, region = prepared.reference, prepared.region
        if reference.angle:
            enlarged = prepared.enlarge(mouth.astype(np.float32), smooth=False)
            pixels = np.rint(enlarged).astype(np.uint8)
        else:
            box = reference.box
            pixels = np.zeros((region.height, region.width, 3), np.uint8)
            y, x = box.y1 - region.y1, box.x1 - region.x1
            pixels[y : y + box.height, x : x + box.width] = cv2.resize(
                mouth, (box.width, box.height)
            )
        if prepared.clear is not None:
            change = cv2.subtract(pixels, prepared.pixels, dtype=cv2.CV_32F) * prepared.mask3
            pixels = np.asarray(cv2.add(prepared.pixels, change, dtype=cv2.CV_8U), np.uint8)
        return Patch(reference, region, pixels, prepared.touched)
