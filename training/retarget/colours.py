"""Colours of skin and teeth, and the mouth's inside in another portrait's light."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import Frame
from training.retarget.geometry import Points
from training.retarget.points import CHEEKS, EYE_CORNERS

Colour = NDArray[np.float64]
Picture = NDArray[np.float32]

_FACE = np.array([0.62, 0.73, 1.0])  # a light face in neutral light, BGR against its red
_ENAMEL = np.array([0.93, 0.96, 1.0])


def skin_colour(image: NDArray[np.uint8] | Picture, mesh: Points) -> Colour:
    """Give the median colour of small patches on the cheeks."""
    reach = max(1, int(0.04 * np.hypot(*(mesh[EYE_CORNERS[1]] - mesh[EYE_CORNERS[0]]))))
    found = []
    for x, y in np.rint(mesh[CHEEKS]).astype(int):
        cut = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        if cut.size:
            found.append(cut.reshape(-1, 3).mean(axis=0))
    return np.median(found, axis=0) if found else np.full(3, 128.0)


def teeth_colour(pixels: NDArray[np.uint8]) -> Colour:
    """Give the mean of the pixels ``(n, 3)`` with most green: lips and tongue have little."""
    values = pixels.astype(np.float64)
    green = values[:, 1]
    return np.asarray(values[green >= np.quantile(green, 0.85)].mean(axis=0))


def pixels_inside(image: Frame, outline: Points) -> NDArray[np.uint8]:
    """Give the pixels ``(n, 3)`` inside an outline."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    return image[mask > 0]


@dataclass(frozen=True, slots=True)
class InsideTone:
    """How the inside of a source's mouth is recoloured for a portrait.

    Attributes:
        balance: Factor on each colour of bright pixels.
        light: Factor on bright pixels.
        saturation: 0 is grey, 1 keeps colours.
    """

    balance: Picture
    light: float
    saturation: float

    @classmethod
    def between(
        cls, skin: Colour, own_teeth: Colour | None, source_teeth: Colour, shade: float
    ) -> Self:
        """Choose the tone that gives plausible teeth.

        Args:
            skin: Of the portrait.
            own_teeth: Of the portrait where it shows them.
            source_teeth: Of the talking clip.
            shade: Factor on the light, for variety.
        """
        top = max(float(skin.max()), 1.0)
        tint = np.clip((skin / top / _FACE) ** 0.5, 0.8, 1.2) * _ENAMEL
        tint[:2] = np.minimum(tint[:2], [0.95, 0.97])  # never bluer than white
        wanted = (60 + 0.5 * top) * tint
        if own_teeth is not None:
            own = own_teeth * np.clip(235 / max(float(own_teeth.max()), 1.0), 0.5, 1)
            wanted = 0.35 * wanted + 0.65 * own * 0.88
        ratio = wanted / source_teeth
        light = float(ratio.mean())
        chroma = (top - float(skin.min())) / top
        return cls(
            balance=(ratio / light).astype(np.float32),
            light=float(np.clip(light, 0.55, 1.6)) * shade,
            saturation=float(np.clip(chroma / 0.30, 0, 1)),
        )

    def apply(self, picture: Picture) -> Picture:
        """Recolour ``(h, w, 3)``, 0 to 255; dark stays dark and warm, teeth never turn green."""
        bright = np.clip((picture[..., 1:2] - 45) / 70, 0, 1)
        dark_light = min(self.light, 1.0)
        light = dark_light + (self.light - dark_light) * bright
        toned = picture * (1 + (self.balance - 1) * (0.25 + 0.75 * bright)) * light
        blue, green, red = (toned[..., channel] for channel in range(3))
        green = np.minimum(np.minimum(green, (blue + red) / 2), red)
        toned = np.dstack([np.minimum(blue, green), green, red])
        grey = toned.mean(axis=2, keepdims=True)
        return np.asarray(grey + (toned - grey) * self.saturation, np.float32)
