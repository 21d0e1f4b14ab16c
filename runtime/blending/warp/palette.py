"""The colours of a mouth's inside in one picture's light."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import Points
from runtime.planes import to_bgr
from runtime.types import FaceBox, Planes

#: Luma of black and chroma of grey in planes of limited range.
BLACK, GREY = np.float32(16), np.float32(128)
#: Face-mesh points on the cheeks, where the skin's colour is read.
_CHEEKS = (205, 425, 50, 280, 206, 426, 207, 427)
#: The brightest skin a photograph shows, relative to its brightest channel.
_FAIR_SKIN = np.array([0.62, 0.73, 1.0], np.float32)
#: Teeth in photographs, relative to their brightest channel: medians over seven smiles.
_IVORY = np.array([0.78, 0.87, 1.0], np.float32)
#: Skin whose darkest channel lies this far below its brightest is in full colour.
_COLOURED = 0.2

Colour = NDArray[np.float32]


class Palette(NamedTuple):
    """Colours as luma and chroma, float32 ``(3,)``, counted from black and grey.

    They can be darkened by multiplying.
    """

    tooth: Colour
    dark: Colour
    tongue: Colour
    skin_level: float

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
        tooth = np.clip(95 + 0.5 * top, 105, 220) * np.minimum(tint, _IVORY)
        dark = cast * (0.17, 0.14, 0.25) * top * 0.55 + (4, 3, 7)
        tongue = cast * (0.50, 0.40, 0.62) * top * 0.62
        level = max(float(skin.mean()), 1.0)
        # The mouth of a grey picture is grey.
        colour = min(float(1 - cast.min()) / _COLOURED, 1.0)
        tooth, dark, tongue = (_in_planes(part, colour) for part in (tooth, dark, tongue))
        return cls(tooth, dark, tongue, level)


def _in_planes(bgr: NDArray[np.floating], colour: float) -> Colour:
    """Convert a colour as ``runtime.planes`` converts pixels, with a share of its chroma."""
    pixels = np.full((2, 2, 3), np.clip(bgr, 0, 255).round(), np.uint8)
    converted = cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    counted = converted[[0, 4, 5]] - np.array([BLACK, GREY, GREY], np.float32)
    return np.asarray(counted * (1, colour, colour), np.float32)


def _skin(planes: Planes, points: Points, eye_distance: float) -> Colour:
    """Read the skin's colour: median over patches on the cheeks."""
    reach = max(1, int(0.04 * eye_distance))
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    found = []
    for x, y in points[list(_CHEEKS)].round().astype(int).tolist():
        if 0 <= x < width and 0 <= y < height:
            x1, y1 = max(0, x - reach) // 2 * 2, max(0, y - reach) // 2 * 2
            x2, y2 = min(width, x + reach + 2) // 2 * 2, min(height, y + reach + 2) // 2 * 2
            found.append(cv2.mean(to_bgr(planes, FaceBox(x1, y1, x2, y2)))[:3])
    return np.asarray(np.median(found, 0) if found else np.full(3, 128.0), np.float32)
