"""The frame turned so that the eyes are level: where warping is thought, before it is drawn."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Affine, Points, apply_affine, compose_affine, invert_affine
from runtime.blending.region import crop_to_frame, even_region
from runtime.types import FaceBox, ReferenceFrame


class Level:
    """Level coordinates of one frame, in pixels; an upright frame's are its own.

    Attributes:
        is_upright: Level coordinates are the frame's.
    """

    def __init__(self, reference: ReferenceFrame) -> None:
        """Turn a frame by its face's angle, about the face box's middle."""
        self._reference = reference
        self.is_upright = reference.angle == 0
        self._to_frame = self._from_frame = np.eye(2, 3, dtype=np.float32)
        if not self.is_upright:
            turned = crop_to_frame(reference.box, reference.angle)
            self._to_frame = compose_affine(turned, invert_affine(crop_to_frame(reference.box, 0)))
            self._from_frame = invert_affine(self._to_frame)

    def points(self, in_frame: Points) -> Points:
        """Bring points of the frame to level coordinates."""
        return in_frame if self.is_upright else apply_affine(self._from_frame, in_frame)

    def region_of(self, part: FaceBox) -> FaceBox:
        """Give the smallest even region of the frame that shows a level rectangle."""
        if self.is_upright:
            return even_region(part[:2], part[2:], self._reference)
        corners = np.array([(x, y) for x in part[::2] for y in part[1::2]], np.float32)
        corners = apply_affine(self._to_frame, corners - 0.5) + 0.5
        return even_region(corners.min(0).tolist(), corners.max(0).tolist(), self._reference)

    def moves(
        self, move: NDArray[np.float32], part: FaceBox, region: FaceBox
    ) -> NDArray[np.float32]:
        """Give displacements of a region of the frame from those of a level rectangle.

        Args:
            move: x and y, float32 ``(2, h, w)``, in the level rectangle ``part``.
            part: Level rectangle.
            region: Region of the frame inside it, or round it: nothing moves beyond ``part``.
        """
        in_region = self.values(move, part, region)
        if self.is_upright:
            return in_region
        return np.asarray(np.tensordot(self._to_frame[:, :2], in_region, 1), np.float32)

    def values(
        self, level: NDArray[np.float32], part: FaceBox, region: FaceBox, *, scale: int = 1
    ) -> NDArray[np.float32]:
        """Give values of a region of the frame from those of a level rectangle, 0 beyond it.

        Args:
            level: float32 ``(h, w)`` or ``(c, h, w)``.
            part: Level rectangle.
            region: Region of the frame.
            scale: 2 for values at chroma resolution.
        """
        if self.is_upright:
            y, x = (region.y1 - part.y1) // scale, (region.x1 - part.x1) // scale
            return level[..., y : y + region.height // scale, x : x + region.width // scale]
        return _resampled(level, self._from_frame, region, part, scale, cv2.BORDER_CONSTANT)

    def grid(
        self, cells: NDArray[np.float32], part: FaceBox, region: FaceBox
    ) -> NDArray[np.float32]:
        """Give coarse values over a region of the frame from coarse ones over ``part``.

        How coarse may change: what takes them stretches them over the region.
        """
        if self.is_upright and part == region:
            return cells
        whole = cv2.resize(cells, (part.width, part.height))
        return self.values(np.asarray(whole, np.float32), part, region)

    def cut(
        self, pixels: NDArray[np.uint8], region: FaceBox, part: FaceBox, *, scale: int = 1
    ) -> NDArray[np.float32]:
        """Cut a level rectangle out of pixels of the frame.

        Args:
            pixels: uint8 ``(h, w)`` or ``(c, h, w)``.
            region: Where they are in the frame.
            part: Level rectangle; the nearest pixel stands for what lies outside.
            scale: 2 for chroma.
        """
        values = pixels.astype(np.float32)
        if self.is_upright and part == region:
            return values
        return _resampled(values, self._to_frame, part, region, scale, cv2.BORDER_REPLICATE)


def even(x1: int, y1: int, x2: int, y2: int) -> FaceBox:
    """Give the smallest rectangle of even edges round another."""
    return FaceBox(x1 // 2 * 2, y1 // 2 * 2, -(-x2 // 2) * 2, -(-y2 // 2) * 2)


def _resampled(
    values: NDArray[np.float32],
    to_source: Affine,
    target: FaceBox,
    source: FaceBox,
    scale: int,
    border: int,
) -> NDArray[np.float32]:
    shift = to_source[:, :2] @ (target.x1, target.y1) + to_source[:, 2] - (source.x1, source.y1)
    if scale == 2:
        # A chroma sample lies in the middle of four pixels.
        shift = (shift + to_source[:, :2] @ (0.5, 0.5) - 0.5) / 2
    affine = np.column_stack([to_source[:, :2], shift])
    size_wh = (target.width // scale, target.height // scale)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = [
        cv2.warpAffine(plane, affine, size_wh, flags=flags, borderMode=border)
        for plane in values.reshape(-1, *values.shape[-2:])
    ]
    return np.asarray(turned, np.float32).reshape(*values.shape[:-2], *size_wh[::-1])
