"""What is seen inside an open mouth.

A 96-pixel crop shows a soft grey average there. Its light is kept (how much tooth, how dark), but
put on an upper row of teeth that is fixed to the skull, a dark cavity and a tongue, all in the
picture's own light. A picture that shows its own upper teeth keeps them instead.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import INNER_LOWER, INNER_UPPER, Points, apply_affine, smoothstep
from runtime.blending.warp.contour import Contour, smooth_curve
from runtime.blending.warp.shape import MouthShape
from runtime.types import FaceBox, Frame

#: Open this far, in mouth widths, a picture is taken to show its teeth.
OWN_TEETH_FROM = 0.06
#: Face-mesh points on the cheeks, where the skin's colour is read.
_CHEEKS = (205, 425, 50, 280, 206, 426, 207, 427)
#: Gaps between the upper teeth: distance from the middle and width, in eye distances.
_GAPS = ((0.0, 0.007, 0.75), (0.094, 0.008, 1.0), (0.164, 0.009, 1.0), (0.240, 0.011, 1.0))
#: The brightest skin a photograph shows, relative to its brightest channel.
_FAIR_SKIN = np.array([0.62, 0.73, 1.0], np.float32)

#: Brightness of the line between closed lips, in units of what is around it.
_LINE_SHADE = 0.75

Picture = NDArray[np.float32]


class Palette(NamedTuple):
    """Colours of a mouth's inside in one picture's light, BGR float32 ``(3,)``."""

    tooth: NDArray[np.float32]
    dark: NDArray[np.float32]
    tongue: NDArray[np.float32]
    skin_level: float


class Interior:
    """Paints the inside of one reference frame's mouth."""

    def __init__(self, shape: MouthShape, landmarks: Points, picture: Frame, at: FaceBox) -> None:
        """Read the picture's light and teeth.

        Args:
            shape: The frame's mouth.
            landmarks: Its face mesh in pixels of the frame.
            picture: The frame's pixels in ``at``, uint8 BGR.
            at: Region of the frame.
        """
        self._shape, self._picture, self._at = shape, picture, at
        self._unit = shape.eye_distance / 100
        self.palette = _palette(_skin(picture, landmarks - (at.x1, at.y1), shape.eye_distance))
        closed = shape.closed
        rest = apply_affine(shape.to_frame, (closed.upper[3] + closed.lower[3]) / 2)
        self._rest_line = smooth_curve(rest)
        middle = shape.points[[0, 17, 13, 14]].mean(0)
        self._middle_x = float(apply_affine(shape.to_frame, middle)[0])
        self.shows_teeth = shape.openness > OWN_TEETH_FROM
        self._own = [
            smooth_curve(apply_affine(shape.to_frame, shape.points[row]))
            for row in (INNER_UPPER, INNER_LOWER)
        ]

    def paint(self, under: Frame, at: FaceBox, contour: Contour, light: float) -> Picture:
        """Paint the opening over warped lips.

        Args:
            under: The warped picture in ``at``, uint8 ``(h, w, 3)``.
            at: Part of the frame around the opening.
            contour: The lips, over the columns of ``at``.
            light: Brightness of the generated mouth's inside in units of the skin's.

        Returns:
            float32 ``(h, w, 3)``.
        """
        place = _Place.of(at, contour)
        cover = self._cover(place)
        result = under.astype(np.float32)
        if float(cover.max()) > 0.02:
            inside = self._cavity(place, light)
            if self.shows_teeth:
                inside = self._keep_teeth(inside, place)
            inside *= self._shadow(place)[..., None]
            result += (inside - result) * cover[..., None]
        if self._shape.seam > 0.05:
            # Specks of teeth between lips that meet: run them together along the line.
            reach = 2 * max(1, int(5 * self._unit)) + 1
            run = cv2.blur(result, (reach, 1)) * _LINE_SHADE
            result += (run - result) * self._meeting_line(place)[..., None]
        return result

    def _cover(self, place: "_Place") -> Picture:
        soft = max(1.0, 1.2 * self._unit)
        below = np.clip((place.y - place.top) / soft + 0.5, 0, 1)
        above = np.clip((place.bottom - place.y) / soft + 0.5, 0, 1)
        tall = smoothstep(place.height, 0.3 * self._unit, 2.2 * self._unit)
        corners = smoothstep(np.minimum(place.across, 1 - place.across), -0.005, 0.05)
        return np.asarray(below * above * (tall * corners), np.float32)

    def _cavity(self, place: "_Place", light: float) -> Picture:
        """Paint the cavity, the tongue and, unless the picture has its own, the upper teeth."""
        eye = self._shape.eye_distance
        beside = np.abs(place.x - self._middle_x) / eye
        down = np.asarray((place.y - place.top) / np.maximum(place.height, 1e-3), np.float32)
        depth = smoothstep(down, 0.45, 1.0)
        wide = smoothstep(place.height, 0.05 * eye, 0.13 * eye)
        tongue = (0.75 * depth * (wide * (1 - smoothstep(beside, 0.10, 0.28))))[..., None]
        ground = self.palette.dark * (1 - tongue) + self.palette.tongue * tongue
        if self.shows_teeth:
            return np.asarray(ground, np.float32)
        seen = 0.45 + 0.55 * float(smoothstep(light, 0.22, 0.55))
        edge = self._incisal_edge(place, beside)
        cover = np.clip((edge - place.y) / (1.6 * max(1.0, 0.9 * self._unit)) + 0.5, 0, 1)
        cover = cover * ((1 - smoothstep(beside, 0.20, 0.31)) * seen)
        teeth = self._teeth(place, beside, edge)
        return np.asarray(ground + (teeth - ground) * cover[..., None], np.float32)

    def _incisal_edge(self, place: "_Place", beside: Picture) -> Picture:
        """Give the lower edge of the upper teeth per column: fixed to the skull."""
        line, eye = self._rest_line, self._shape.eye_distance
        rest = np.interp(place.x, line[:, 0], line[:, 1])
        scallop = 0.004 * np.cos(beside / 0.094 * 2 * np.pi) * (beside < 0.1)
        curve = 0.042 - 0.45 * beside * beside - scallop
        grow = 0.12 * np.maximum(place.height - 0.085 * eye, 0)
        return np.asarray(rest + eye * curve + grow, np.float32)

    def _teeth(self, place: "_Place", beside: Picture, edge: Picture) -> Picture:
        grooves = np.zeros_like(beside)
        for at, width, strength in _GAPS:
            grooves = np.maximum(grooves, strength * np.exp(-(((beside - at) / width) ** 2)))
        shade = 1 - 0.14 * grooves - np.clip(beside - 0.07, 0, 0.3)
        rounded = 1 - 0.10 * np.clip((edge - place.y) / (0.08 * self._shape.eye_distance), 0, 1)
        return np.asarray(self.palette.tooth * (shade * rounded)[..., None], np.float32)

    def _keep_teeth(self, inside: Picture, place: "_Place") -> Picture:
        """Put the picture's own upper teeth in: they follow the upper lip only upwards."""
        unit = self._unit
        top, bottom = (np.interp(place.x, c[:, 0], c[:, 1]) for c in self._own)
        raised = np.maximum(top - place.top, 0)
        y = place.y + raised * np.exp(-np.maximum(place.y - place.top, 0) / (10 * unit))
        cover = np.clip((y - top) / (1.5 * unit), 0, 1)
        cover = cover * np.clip((bottom - unit - y) / (2.5 * unit), 0, 1)
        cover = cover * smoothstep(np.maximum(bottom - top, 0), 1.5 * unit, 4 * unit)
        x = np.broadcast_to(place.x - self._at.x1, y.shape).astype(np.float32)
        rows = (y - self._at.y1).astype(np.float32)
        teeth = cv2.remap(self._picture, x, rows, cv2.INTER_LINEAR).astype(np.float32)
        return np.asarray(inside + (teeth - inside) * cover[..., None], np.float32)

    def _shadow(self, place: "_Place") -> Picture:
        """Darken under the upper lip, above the lower one and towards the corners."""
        unit, strength = self._unit, 0.20 if self.shows_teeth else 0.38
        upper = strength * np.exp(-np.maximum(place.y - place.top, 0) / (2.2 * unit))
        lower = 0.2 * np.exp(-np.maximum(place.bottom - place.y, 0) / (1.5 * unit))
        corner = 1 - 0.55 * np.exp(-np.minimum(place.across, 1 - place.across) / 0.07)
        return np.asarray(np.clip((1 - upper - lower) * corner, 0.15, 1), np.float32)

    def _meeting_line(self, place: "_Place") -> Picture:
        """Weigh the line where the lips of an open picture meet when it is shown closed."""
        away = (place.y - (place.top + place.bottom) / 2) / (0.9 * self._unit + 0.5)
        shut = 1 - smoothstep(place.height, 0.5 * self._unit, 3 * self._unit)
        corners = smoothstep(np.minimum(place.across, 1 - place.across), -0.02, 0.08)
        line = np.exp(-away * away) * (shut * corners)
        return np.asarray(self._shape.seam * line, np.float32)


class _Place(NamedTuple):
    """Coordinates of a part of the frame: rows ``(h, 1)``, everything else ``(w,)``."""

    y: Picture
    x: Picture
    top: Picture
    bottom: Picture
    height: Picture
    across: Picture

    @classmethod
    def of(cls, at: FaceBox, contour: Contour) -> "_Place":
        y = np.arange(at.y1, at.y2, dtype=np.float32)[:, None]
        x = np.arange(at.x1, at.x2, dtype=np.float32)
        height = contour.lower - contour.upper
        return cls(y, x, contour.upper, contour.lower, height, contour.across(at))


def _skin(picture: Frame, points: Points, eye_distance: float) -> NDArray[np.float32]:
    """Read the skin's colour: median over patches on the cheeks."""
    reach = max(1, int(0.04 * eye_distance))
    height, width = picture.shape[:2]
    found = []
    for x, y in points[list(_CHEEKS)].round().astype(int):
        if 0 <= x < width and 0 <= y < height:
            patch = picture[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            found.append(patch.reshape(-1, 3).mean(0))
    return np.asarray(np.median(found, 0) if found else np.full(3, 128.0), np.float32)


def _palette(skin: NDArray[np.float32]) -> Palette:
    """Choose colours for a mouth's inside from the light on the skin."""
    top = max(float(skin.max()), 1.0)
    cast = skin / top
    # Skin says little of the light's colour, because skins differ: believe a third of it.
    tint = np.clip((cast / _FAIR_SKIN) ** 0.35, 0.55, 1.15) * np.array([0.87, 0.95, 1.0])
    tooth = np.clip(66 + 0.54 * top, 80, 200) * np.minimum(tint, [0.90, 0.965, 1.0])
    # Teeth are ivory in any light: never greener than red nor bluer than green.
    tooth[2] = max(tooth[2], 1.03 * tooth[1])
    tooth[1] = max(tooth[1], 1.04 * tooth[0])
    dark = cast * (0.17, 0.14, 0.25) * top * 0.55 + (4, 3, 7)
    tongue = cast * (0.50, 0.40, 0.62) * top * 0.62
    return Palette(
        tooth.astype(np.float32),
        dark.astype(np.float32),
        tongue.astype(np.float32),
        max(float(skin.mean()), 1.0),
    )
