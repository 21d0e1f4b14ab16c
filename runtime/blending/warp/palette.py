"""The colours of a mouth's inside in one picture's light."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points
from runtime.planes import split_planes, to_planes
from runtime.types import Planes

#: Luma of black and chroma of grey in planes of limited range.
BLACK, GREY = np.float32(16), np.float32(128)
#: Face-mesh points on the cheeks, where the skin's colour is read.
_CHEEKS = [205, 425, 50, 280, 206, 426, 207, 427]
#: The brightest skin a photograph shows, relative to its brightest channel.
_FAIR_SKIN = np.array([0.62, 0.73, 1.0], np.float32)
#: Teeth in photographs, relative to their brightest channel: medians over seven smiles.
_IVORY = np.array([0.78, 0.87, 1.0], np.float32)
#: Teeth are at most this much brighter than the skin's strongest colour.
_MOST_BRIGHT = 2.0
#: The inside of a mouth: its hue, relative to the skin's, and its brightness where no light falls.
_FLESH, _INSIDE = np.array([0.80, 0.635, 1.0], np.float32), 0.2
#: Skin whose darkest channel lies this far below its brightest is in full colour.
_COLOURED = 0.2
_ZERO = np.array([BLACK, GREY, GREY], np.float32)
#: From luma and chroma, counted from black and grey, to BGR (BT.601, limited range).
_TO_BGR = np.array([[1.164] * 3, [2.018, -0.391, 0], [0, -0.813, 1.596]], np.float32)

Colour = NDArray[np.float32]


class Palette(NamedTuple):
    """Colours as luma and chroma, float32 ``(3,)``, counted from black and grey.

    They can be darkened by multiplying.

    Attributes:
        tooth: Teeth in full light.
        flesh: The inside of a mouth into which no light falls.
        light: Of the skin: its strongest colour, 1 to 255.
    """

    tooth: Colour
    flesh: Colour
    light: float

    @classmethod
    def of(cls, planes: Planes, points: Points, eye_distance: float) -> "Palette":
        """Choose colours from the light on the skin.

        Args:
            planes: A picture.
            points: Its face mesh in pixels.
            eye_distance: Between the outer corners, in pixels.
        """
        skin = _skin(planes, points, eye_distance)
        top = max(float(skin.max()), 1.0)
        cast = skin / top
        # Skin says little of the light, because skins differ. Teeth of portraits are about as
        # bright as fair skin, whatever the skin; those of people who speak lie in shadow.
        tint = np.clip((cast / _FAIR_SKIN) ** 0.45, 0.55, 1.15) * np.array([0.83, 0.93, 1.0])
        bright = min(float(np.clip(95 + 0.5 * top, 105, 220)), _MOST_BRIGHT * top)
        # The mouth of a grey picture is grey.
        colour = min(float(1 - cast.min()) / _COLOURED, 1.0)
        hues = _in_planes(255 * np.stack([np.minimum(tint, _IVORY), cast * _FLESH]), colour)
        tooth, flesh = hues * np.array([[bright], [_INSIDE * top]], np.float32) / 255
        return cls(tooth, flesh, top)


def _in_planes(bgr: NDArray[np.floating], colour: float) -> Colour:
    """Convert colours ``(n, 3)`` as ``runtime.planes`` does, with a share of their chroma.

    They should be bright: what is counted in whole levels is rounded.
    """
    pixels = np.clip(bgr, 0, 255).round().astype(np.uint8).repeat(2, 0)
    luma, *chroma = split_planes(to_planes(np.stack([pixels, pixels])))
    counted = np.stack([luma[0, ::2], *(plane[0] for plane in chroma)], 1)
    return np.asarray((counted - _ZERO) * (1, colour, colour), np.float32)


def _skin(planes: Planes, points: Points, eye_distance: float) -> Colour:
    """Read the skin's colour: median over patches on the cheeks."""
    reach = max(1, int(0.04 * eye_distance)) // 2
    luma, u, v = split_planes(planes)
    height, width = u.shape
    found = []
    for x, y in (points[_CHEEKS] / 2).round().astype(int).tolist():
        if 0 <= x < width and 0 <= y < height:
            x1, y1, x2, y2 = max(0, x - reach), max(0, y - reach), x + reach + 1, y + reach + 1
            parts = luma[2 * y1 : 2 * y2, 2 * x1 : 2 * x2], u[y1:y2, x1:x2], v[y1:y2, x1:x2]
            found.append([cv2.mean(part)[0] for part in parts])
    if not found:
        return np.full(3, 128, np.float32)
    colours = np.sort(np.clip((np.array(found, np.float32) - _ZERO) @ _TO_BGR, 0, 255), 0)
    # The median, in a tenth of the time that NumPy's takes.
    return np.asarray((colours[(len(found) - 1) // 2] + colours[len(found) // 2]) / 2, np.float32)
