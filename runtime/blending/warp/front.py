"""What is in front of a face that is warped: taken away before, put back after."""

from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.masks import lip_mask
from runtime.blending.paste import crop_points
from runtime.blending.region import crop_to_frame, uncovered
from runtime.blending.warp.layers import halved
from runtime.blending.warp.surface import Pixels, samples
from runtime.opacity import continued
from runtime.planes import cut_planes, split_planes, to_bgr, to_planes
from runtime.types import FaceBox, Mask, Planes, ReferenceFrame

#: Less of the face than this, and what is in front shines through.
_SEEN = 0.99


class Front:
    """A hand, a microphone or a cup before one frame's face."""

    def __init__(self, reference: ReferenceFrame, region: FaceBox, clear: Mask) -> None:
        """Take what is in front.

        Args:
            reference: The frame.
            region: Its part that may move, even.
            clear: 0 where something is in front, 1 on the face, ``(h, w)``.
        """
        self._reference, self._region, self._clear = reference, region, clear

    @classmethod
    def of(cls, reference: ReferenceFrame, region: FaceBox) -> Self | None:
        """Give what is in front of a frame's face; ``None`` where nothing is."""
        clear = uncovered(reference, crop_to_frame(reference.box, reference.angle), region)
        return None if clear is None else cls(reference, region, clear)

    def without(self) -> Planes:
        """Give the frame with the face going on where it is hidden.

        What is hidden stays hidden; but what moves out from behind must not look like the thing.
        """
        planes, region = self._reference.planes.copy(), self._region
        seen = np.where(self._clear >= _SEEN, np.uint8(255), np.uint8(0))
        face = to_planes(continued(to_bgr(planes, region), seen))
        half = halved(self._clear)
        parts = zip(cut_planes(planes, region), split_planes(face), strict=True)
        for (plane, new), clear in zip(parts, (self._clear, half, half), strict=True):
            np.copyto(plane, new, where=clear < _SEEN)
        return planes

    def put_back(self, pixels: Pixels, region: FaceBox) -> NDArray[np.bool_]:
        """Put the thing before new pixels of a part of the frame.

        Returns:
            Where the frame's own bits are not back, ``(h, w)``.
        """
        own, y, x = samples(self._reference.planes, region), *self._offset(region)
        clear = self._clear[y : y + region.height, x : x + region.width]
        half = halved(clear)
        planes = zip((pixels.luma, *pixels.chroma), (own.luma, *own.chroma), strict=True)
        for (new, old), share in zip(planes, (clear, half, half), strict=True):
            mixed = old + (new.astype(np.float32) - old) * share
            new[:] = np.rint(mixed)
        # Four pixels share their chroma.
        return np.repeat(np.repeat(half > 0, 2, 0), 2, 1)

    def _offset(self, region: FaceBox) -> tuple[int, int]:
        return region.y1 - self._region.y1, region.x1 - self._region.x1


def hidden_lips(reference: ReferenceFrame) -> float:
    """Give the share of a face's lips that something hides, 0 to 1."""
    if reference.cover is None:
        return 0.0
    lips = lip_mask(crop_points(reference))
    cover = cv2.resize(reference.cover, lips.shape[::-1]).astype(np.float32) / 255
    return float((lips * cover).sum() / max(float(lips.sum()), 1.0))
