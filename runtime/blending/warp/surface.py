"""The picture's own pixels, moved: luma at twice the resolution, chroma as it is kept.

Interpolating straight lines between samples half a pixel apart is as sharp as a cubic between
whole ones, in a third of the time, and a pixel that does not move keeps its bits.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.planes import cut_planes
from runtime.types import FaceBox, Planes

#: Samples half-way between pixels. As sharp as makes up for the straight lines drawn between
#: samples: a moved picture keeps its variance of the Laplacian (``docs/quality.md``).
_HALF_WAY = np.array([[2, -8, 22, 22, -8, 2]], np.float32) / 32
_LEAST_SHARPENING = 0.02

Grey = NDArray[np.uint8]


class Samples(NamedTuple):
    """A part of a picture as luma ``(h, w)`` and chroma ``(2, h // 2, w // 2)``; may be views."""

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
        return Samples(self.luma[y : y + box.height, x : x + box.width], self.chroma[half])


class Surface:
    """One region of a reference frame, ready to be moved.

    Its samples are doubled when they are asked for: a frame of a video is moved once, and then
    only in part.
    """

    def __init__(self, planes: Planes, region: FaceBox) -> None:
        """Take a frame.

        Args:
            planes: The frame.
            region: Its part that may move, even.
        """
        self._planes, self._region = planes, region
        self._source: _Source | None = None

    def moved(self, move: NDArray[np.float32], part: FaceBox) -> Pixels:
        """Give a part of the region with its pixels moved.

        Args:
            move: Source minus target in pixels, x and y, float32 ``(2, h, w)``.
            part: Where in the frame, even and inside the region.
        """
        reach = max(cv2.norm(along, cv2.NORM_INF) for along in move)
        source = self._around(part, math.ceil(reach))
        pixels = Pixels.empty(part.height, part.width)
        x, y = part.x1 - source.region.x1, part.y1 - source.region.y1
        rows, columns = slice(y, y + part.height), slice(x, x + part.width)
        doubled = _even_numbers(self._region.height, self._region.width)[:, rows, columns]
        # Coordinates among the doubled samples.
        at = [cv2.scaleAdd(along, 2.0, own) for along, own in zip(move, doubled, strict=True)]
        _fetch(source.doubled, at, pixels.luma)
        at = [np.multiply(along[::2, ::2], np.float32(0.25)) for along in at]
        for plane, target in zip(source.chroma, pixels.chroma, strict=True):
            _fetch(plane, at, target)
        return pixels

    def _around(self, part: FaceBox, reach: int) -> "_Source":
        """Give samples that hold a part's and all within reach of them."""
        margin = reach + _HALF_WAY.size // 2 + 1
        wide = FaceBox(
            max((part.x1 - margin) // 2 * 2, self._region.x1),
            max((part.y1 - margin) // 2 * 2, self._region.y1),
            min(-(-(part.x2 + margin) // 2) * 2, self._region.x2),
            min(-(-(part.y2 + margin) // 2) * 2, self._region.y2),
        )
        if self._source is None:
            self._source = _Source.of(self._planes, wide)
        elif not self._source.holds(wide):
            self._source = _Source.of(self._planes, self._region)
        return self._source


class _Source(NamedTuple):
    """Samples of a region of a frame: luma ``(2 h, 2 w)``, chroma two times ``(h / 2, w / 2)``."""

    region: FaceBox
    doubled: Grey
    chroma: list[Grey]

    @classmethod
    def of(cls, planes: Planes, region: FaceBox) -> "_Source":
        luma, *chroma = cut_planes(planes, region)
        return cls(region, _doubled(luma), chroma)

    def holds(self, box: FaceBox) -> bool:
        own = self.region
        inside = own.x1 <= box.x1 and own.y1 <= box.y1
        return inside and box.x2 <= own.x2 and box.y2 <= own.y2


def _fetch(source: Grey, at: Sequence[cv2.typing.MatLike], into: Grey) -> None:
    """Read a picture at places x and y, float32 ``(h, w)`` each."""
    x, y = at
    cv2.remap(source, x, y, cv2.INTER_LINEAR, dst=into, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=2)
def _even_numbers(height: int, width: int) -> NDArray[np.float32]:
    """Give twice the coordinates of every pixel, x and y, ``(2, h, w)``."""
    mesh = np.stack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    mesh *= 2
    mesh.setflags(write=False)
    return mesh


def samples(planes: Planes, region: FaceBox) -> Samples:
    """Cut an even region out of planes."""
    luma, *chroma = cut_planes(planes, region)
    return Samples(luma, np.stack(chroma))


def sharpen(luma: Grey, amount: NDArray[np.float32]) -> None:
    """Raise the finest detail in place.

    Args:
        luma: ``(h, w)``.
        amount: By how much, on a coarser grid over the same area; borders of 0 cost nothing.
    """
    wanted = (amount > _LEAST_SHARPENING).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(wanted)
    if not width:
        return
    cell_y, cell_x = (side / cells for side, cells in zip(luma.shape, amount.shape, strict=True))
    # One cell more all round: between cells the amount is interpolated.
    y1, y2 = max(0, y - 1), min(amount.shape[0], y + height + 1)
    x1, x2 = max(0, x - 1), min(amount.shape[1], x + width + 1)
    rows, columns = (
        slice(int(y1 * cell_y), int(y2 * cell_y)),
        slice(int(x1 * cell_x), int(x2 * cell_x)),
    )
    part = luma[rows, columns]
    weight = cv2.resize(amount[y1:y2, x1:x2], part.shape[::-1], interpolation=cv2.INTER_LINEAR)
    detail = cv2.subtract(part, cv2.GaussianBlur(part, (5, 5), 1.0), dtype=cv2.CV_32F)
    cv2.add(part, cv2.multiply(detail, weight), dst=part, dtype=cv2.CV_8U)


def _doubled(luma: Grey) -> Grey:
    """Give ``(2 h, 2 w)`` samples, every second one the picture's own."""
    height, width = luma.shape
    # Merging takes a tenth of the time where rows follow each other.
    luma = np.ascontiguousarray(luma)
    doubled = np.empty((height, 2, 2 * width), np.uint8)
    # The filter's six samples begin two before the gap.
    border = cv2.BORDER_REPLICATE
    between = cv2.filter2D(luma, -1, _HALF_WAY, anchor=(2, 0), borderType=border)
    wide = cv2.merge([luma, between]).reshape(height, 2 * width)
    doubled[:, 0] = wide
    doubled[:, 1] = cv2.filter2D(wide, -1, _HALF_WAY.T, anchor=(0, 2), borderType=border)
    return doubled.reshape(2 * height, 2 * width)
