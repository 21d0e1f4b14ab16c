"""Colour match in linear light, sharpening, grain: how a new mouth comes to belong."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import FaceCrop, Frame, Mask, MouthCrop

#: No correction beyond this factor: a larger one means that the ring is not skin.
MOST_GAIN = 1.25
MOST_GRAIN = 6.0
#: Generated mouths are soft by about this many pixels; the gain was chosen by eye.
CRISP_SIGMA, CRISP_GAIN = 1.5, 2.0
#: Green of teeth in photographs in parts of the mean of their blue and red: 0.95 to 0.99.
_TEETH_GREEN = 0.97
_AROUND = np.ones((3, 3), np.uint8)
#: sRGB is close enough to a power of 2.2 for a ratio of means.
_LINEAR = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(2.2)
_GRAIN_SIZE = 256


def ring_gain(mouth: MouthCrop, crop: FaceCrop, ring: Mask) -> NDArray[np.float32]:
    """Give the factor per colour that brings a mouth's ring to its face's, in linear light.

    Args:
        mouth: Generated mouth, uint8 ``(96, 96, 3)``.
        crop: The face it was generated for.
        ring: Where to compare: weights ``(96, 96)``, skin around the mouth.

    Returns:
        float32 ``(3,)``, between 1 / ``MOST_GAIN`` and ``MOST_GAIN``.
    """
    total = float(ring.sum())
    if total < 1:
        return np.ones(3, np.float32)
    new, old = (
        np.einsum("ij,ijk->k", ring, cv2.LUT(picture, _LINEAR)) / total for picture in (mouth, crop)
    )
    gain = (old + 0.002) / (new + 0.002)
    return np.asarray(np.clip(gain, 1 / MOST_GAIN, MOST_GAIN), np.float32)


def gain_table(gain: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give the look-up table ``(256, 1, 3)`` that multiplies by ``gain`` in linear light."""
    bent = np.clip(_LINEAR[:, None] * gain, 0, 1) ** np.float32(1 / 2.2)
    return np.asarray(np.round(255 * bent), np.uint8)[:, None]


class NaturalTeeth:
    """Takes from mouths of one face the green and the blue that it does not have there.

    Generated teeth come out greenish. The light that makes skin reddish makes white reddish too;
    green and blue may stand to red at most half way between skin and grey, and green to the mean of
    both as in teeth or skin; or as in the face at this place.
    """

    def __init__(self, face: Frame) -> None:
        """Look at the face once.

        Args:
            face: uint8 ``(h, w, 3)`` BGR, where mouths will be.
        """
        blue, green, red = cv2.split(face)
        *skin, skin_red, _ = cv2.mean(face)
        self._shares = [(1 + level / max(skin_red, 1.0)) / 2 for level in skin]
        self._excess = [
            cv2.subtract(own, cv2.convertScaleAbs(red, alpha=share))
            for own, share in zip((blue, green), self._shares, strict=True)
        ]
        self._half = max(_TEETH_GREEN, skin[1] * 2 / max(skin[0] + skin_red, 1.0)) / 2
        self._green_excess = cv2.subtract(green, self._between(blue, red))

    def of(self, mouth: Frame) -> Frame:
        """Give a mouth, or the same part of it, in colours that teeth can have."""
        *others, red = cv2.split(mouth)
        blue, green = (
            cv2.min(colour, cv2.add(cv2.convertScaleAbs(red, alpha=share), excess))
            for colour, share, excess in zip(others, self._shares, self._excess, strict=True)
        )
        green = cv2.min(green, cv2.add(self._between(blue, red), self._green_excess))
        return np.asarray(cv2.merge([blue, green, red]), np.uint8)

    def _between(self, blue: cv2.typing.MatLike, red: cv2.typing.MatLike) -> cv2.typing.MatLike:
        return cv2.addWeighted(blue, self._half, red, self._half, 0)


def sharpen_crop(mouth: MouthCrop, amount: float) -> MouthCrop:
    """Sharpen a crop by an unsharp mask at its own resolution, ``amount`` 0 to 2."""
    soft = cv2.GaussianBlur(mouth, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(mouth, 1 + amount, soft, -amount, 0), np.uint8)


def crispness(mouth: Frame) -> NDArray[np.float32]:
    """Give what to add to every colour of a mouth to make its edges steep, without halos.

    An unsharp mask of the brightness that never leaves the range of the eight neighbours: colours
    and their noise stay as they are, and no edge gets a bright or dark rim.

    Args:
        mouth: uint8 ``(h, w, 3)``, a generated mouth or part of one.

    Returns:
        float32 ``(h, w)`` grey levels.
    """
    grey = cv2.cvtColor(mouth, cv2.COLOR_BGR2GRAY)
    soft = cv2.GaussianBlur(grey, (0, 0), CRISP_SIGMA)
    sharp = cv2.addWeighted(grey, 1 + CRISP_GAIN, soft, -CRISP_GAIN, 0)
    limited = cv2.min(cv2.max(sharp, cv2.erode(grey, _AROUND)), cv2.dilate(grey, _AROUND))
    return np.asarray(cv2.subtract(limited, grey, dtype=cv2.CV_32F), np.float32)


def strongest(colours: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Give the largest of three colours per pixel, ``(h, w)`` from ``(h, w, 3)``.

    Twenty times faster than ``max(-1)``.
    """
    blue, green, red = cv2.split(colours)
    return cv2.max(cv2.max(blue, green), red)


def grain_level(pixels: Frame, weight: Mask) -> float:
    """Measure the grain of a picture: robust deviation of its finest detail, in grey levels.

    Args:
        pixels: uint8 ``(h, w, 3)`` BGR.
        weight: Where to look, ``(h, w)``; places above a half count.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
    fine = cv2.absdiff(grey, cv2.GaussianBlur(grey, (3, 3), 0))
    # Every second pixel each way says as much of the median, in a third of the time.
    finest = fine[::2, ::2][weight[::2, ::2] > 0.5]
    if finest.size < 32:
        return 0.0
    # 1.4826 turns a median deviation into a standard one; the median ignores hairs and edges.
    # What is left of white noise beside its 3 x 3 average has 0.8 of its deviation.
    return float(min(1.4826 / 0.8 * np.median(finest), MOST_GRAIN))


def grain_pattern(window: tuple[slice, slice], index: int) -> NDArray[np.float32]:
    """Give a window of an endless grain of deviation 1 that is the same for the same ``index``.

    A still avatar has one index, so its grain stands still like the rest of its picture; every
    frame of a video avatar shows another part of the same noise.
    """
    down, across = window
    rows = (np.arange(down.start, down.stop) + 97 * index) % _GRAIN_SIZE
    columns = (np.arange(across.start, across.stop) + 61 * index) % _GRAIN_SIZE
    return np.asarray(_noise()[rows[:, None], columns], np.float32)


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    noise = np.random.default_rng(0).standard_normal((_GRAIN_SIZE, _GRAIN_SIZE), np.float32)
    noise.setflags(write=False)
    return noise
