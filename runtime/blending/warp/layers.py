"""Parts of a picture while the inside of a mouth is painted, as luma and chroma."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Picture(NamedTuple):
    """A part of a picture in level coordinates.

    Attributes:
        luma: float32 ``(h, w)``, both even.
        chroma: float32 ``(2, h // 2, w // 2)``.
    """

    luma: Floats
    chroma: Floats


class Layer(NamedTuple):
    """What goes over a picture: the result is ``picture * (1 - cover) + layer``.

    Attributes:
        luma: float32 ``(h, w)``, already weighted.
        chroma: float32 ``(2, h // 2, w // 2)``, already weighted.
        cover: Weights, ``(h, w)``.
    """

    luma: Floats
    chroma: Floats
    cover: Floats

    def over(self, under: Picture) -> Picture:
        """Lay it over a picture."""
        kept = 1 - self.cover
        chroma = under.chroma * halved(kept) + self.chroma
        return Picture(under.luma * kept + self.luma, chroma)


def ramp(values: Floats, soft: float, middle: float = 0.5) -> Floats:
    """Rise from 0 to 1 over a length, being ``middle`` where values are 0."""
    risen = values * np.float32(1 / soft)
    risen += np.float32(middle)
    np.clip(risen, 0, 1, out=risen)
    return risen


def faded(values: Floats, length: float) -> Floats:
    """Fall from 1 where values are 0 or less, to a third within a length."""
    # OpenCV's exponential takes a quarter of NumPy's time.
    return np.asarray(cv2.exp(np.minimum(values * np.float32(-1 / length), 0)), np.float32)


def halved(values: Floats) -> Floats:
    """Give values at chroma samples: the mean of their four pixels, ``(h // 2, w // 2)``."""
    size_wh = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size_wh, interpolation=cv2.INTER_AREA), np.float32)
