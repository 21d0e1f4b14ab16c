"""The picture's own pixels, moved: luma at twice the resolution, chroma as it is kept.

Interpolating straight lines between samples half a pixel apart is as sharp as a cubic between
whole ones, in a third of the time, and a pixel that does not move keeps its bits.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.warp.field import NO_MAP
from runtime.planes import split_planes
from runtime.types import FaceBox, Planes

#: Samples half-way between pixels. As sharp as makes up for the straight lines drawn between
#: samples: a moved picture keeps its variance of the Laplacian (``docs/quality.md``).
_HALF_WAY = np.array([2, -8, 22, 22, -8, 2], np.float32) / 32
_ITSELF = np.ones(1, np.float32)
_LEAST_SHARPENING = 0.02

Grey = NDArray[np.uint8]


class Samples(NamedTuple):
    """A part of a picture as luma ``(h, w)`` and chroma ``(h // 2, w // 2, 2)``; may be views."""

    luma: Grey
    chroma: Grey


class Pixels(NamedTuple):
    """A new part of a picture: ``planes`` as I420, and views of it.

    Attributes:
        planes: uint8 ``(h * 3 // 2, w)``.
        luma: ``(h, w)``.
        chroma: ``(2, h // 2, w // 2)``.
    """

    planes: Planes
    luma: Grey
    chroma: Grey

    @classmethod
    def empty(cls, height: int, width: int) -> "Pixels":
        """Make room for ``height`` times ``width`` pixels, both even."""
        planes = np.empty((height * 3 // 2, width), np.uint8)
        return cls(planes, planes[:height], planes[height:].reshape(2, height // 2, width // 2))

    def cut(self, region: FaceBox, box: FaceBox) -> Samples:
        """Give views of a box inside the region that these pixels fill."""
        x, y = box.x1 - region.x1, box.y1 - region.y1
        half = np.s_[:, y // 2 : (y + box.height) // 2, x // 2 : (x + box.width) // 2]
        return Samples(
            self.luma[y : y + box.height, x : x + box.width],
            self.chroma[half].transpose(1, 2, 0),
        )


class Surface:
    """One region of a reference frame, ready to be moved."""

    def __init__(self, planes: Planes, region: FaceBox) -> None:
        """Take the region's samples.

        Args:
            planes: The frame.
            region: Its part that may move, even.
        """
        self.region = region
        luma, self._chroma = samples(planes, region)
        self._doubled = _doubled(luma)
        columns, rows = np.arange(region.width) * 2, np.arange(region.height) * 2
        self._identity = np.dstack(np.meshgrid(columns, rows)).astype(np.float32)
        self._room = _Room(region.height * region.width)

    def moved(self, move: NDArray[np.float32], part: FaceBox) -> Pixels:
        """Give a part of the region with its pixels moved.

        Args:
            move: Source minus target in pixels, float32 ``(h, w, 2)``.
            part: Where in the frame, even and inside the region.
        """
        pixels = Pixels.empty(part.height, part.width)
        x, y = part.x1 - self.region.x1, part.y1 - self.region.y1
        identity = self._identity[y : y + part.height, x : x + part.width]
        room, height, width = self._room, part.height, part.width
        # Coordinates among the doubled samples.
        at = room.map(height, width)
        cv2.scaleAdd(move, 2.0, identity, dst=at)
        room.fetch(self._doubled, at, pixels.luma)
        half_wh = (width // 2, height // 2)
        at = np.asarray(cv2.resize(at, half_wh, interpolation=cv2.INTER_NEAREST), np.float32)
        at *= 0.25
        both = np.empty((height // 2, width // 2, 2), np.uint8)
        room.fetch(self._chroma, at, both)
        pixels.chroma[0], pixels.chroma[1] = both[..., 0], both[..., 1]
        return pixels


class _Room:
    """Memory for maps, used again for every frame: fresh pages cost more than what fills them."""

    def __init__(self, size: int) -> None:
        self._map = np.empty(2 * size, np.float32)
        self._whole = np.empty(2 * size, np.int16)
        self._fraction = np.empty(size, np.uint16)

    def map(self, height: int, width: int) -> NDArray[np.float32]:
        return self._map[: 2 * height * width].reshape(height, width, 2)

    def fetch(self, source: Grey, at: NDArray[np.float32], into: Grey) -> None:
        """Read a picture at places ``(h, w, 2)``."""
        height, width = at.shape[:2]
        whole = self._whole[: 2 * height * width].reshape(height, width, 2)
        fraction = self._fraction[: height * width].reshape(height, width)
        # Fixed point fetches three times as fast as floating point, and is exact to 1/32 sample.
        cv2.convertMaps(at, NO_MAP, cv2.CV_16SC2, whole, fraction)
        border = cv2.BORDER_REPLICATE
        cv2.remap(source, whole, fraction, cv2.INTER_LINEAR, dst=into, borderMode=border)


def samples(planes: Planes, region: FaceBox) -> Samples:
    """Cut an even region out of planes."""
    luma, *chroma = split_planes(planes)
    half = np.s_[region.y1 // 2 : region.y2 // 2, region.x1 // 2 : region.x2 // 2]
    whole = luma[region.y1 : region.y2, region.x1 : region.x2]
    return Samples(whole, np.dstack([plane[half] for plane in chroma]))


def sharpen(luma: Grey, amount: NDArray[np.float32]) -> None:
    """Raise the finest detail in place.

    Args:
        luma: ``(h, w)``.
        amount: By how much, on a coarser grid over the same area; rows of 0 cost nothing.
    """
    rows = np.flatnonzero((amount > _LEAST_SHARPENING).any(1))
    if not rows.size:
        return
    cell = luma.shape[0] / len(amount)
    first, last = max(0, int(rows[0] * cell - cell)), int((rows[-1] + 2) * cell)
    size_wh = (luma.shape[1], luma.shape[0])
    weight = cv2.resize(amount, size_wh, interpolation=cv2.INTER_LINEAR)[first:last]
    part = luma[first:last]
    detail = cv2.subtract(part, cv2.GaussianBlur(part, (5, 5), 1.0), dtype=cv2.CV_32F)
    cv2.add(part, cv2.multiply(detail, weight), dst=part, dtype=cv2.CV_8U)


def _doubled(luma: Grey) -> Grey:
    """Give ``(2 h, 2 w)`` samples, every second one the picture's own."""
    height, width = luma.shape
    doubled = np.empty((2 * height, 2 * width), np.uint8)
    # The filter's six samples begin two before the gap.
    anchor, border = (2, 0), cv2.BORDER_REPLICATE
    across = cv2.sepFilter2D(luma, -1, _HALF_WAY, _ITSELF, anchor=anchor, borderType=border)
    doubled[::2, ::2], doubled[::2, 1::2] = luma, across
    for column, samples in enumerate((luma, across)):
        doubled[1::2, column::2] = cv2.sepFilter2D(
            samples, -1, _ITSELF, _HALF_WAY, anchor=anchor[::-1], borderType=border
        )
    return doubled
