"""What is seen inside an open mouth.

A 96-pixel crop shows a soft grey average there. Its light is kept (how much tooth, how dark), but
put on an upper row of teeth that is fixed to the skull, a dark cavity and a tongue, all in the
picture's own light. A picture that shows its own upper teeth keeps them instead.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import INNER_LOWER, INNER_UPPER, apply_affine, smoothstep
from runtime.blending.warp.contour import Contour, smooth_curve
from runtime.blending.warp.palette import BLACK, GREY, Palette
from runtime.blending.warp.shape import MouthShape
from runtime.blending.warp.teeth import Teeth, neck_shade
from runtime.types import FaceBox

#: Open this far, in mouth widths, a picture is taken to show its teeth.
OWN_TEETH_FROM = 0.06
#: Brightness of the line between closed lips, in units of what is around it.
_LINE_SHADE = 0.75
_LEAST_COVER = 0.02
#: How fast the light on the inner side of the lower lip fades upwards, in eye distances.
_INNER_LIP = 0.018

Floats = NDArray[np.float32]


class Picture(NamedTuple):
    """A part of a picture in level coordinates.

    Attributes:
        luma: float32 ``(h, w)``, both even.
        chroma: float32 ``(h // 2, w // 2, 2)``.
    """

    luma: Floats
    chroma: Floats


class Layer(NamedTuple):
    """What goes over a picture: the result is ``picture * (1 - cover) + layer``.

    Attributes:
        luma: float32 ``(h, w)``, already weighted.
        chroma: float32 ``(h // 2, w // 2, 2)``, already weighted.
        cover: Weights, ``(h, w)``.
    """

    luma: Floats
    chroma: Floats
    cover: Floats

    def over(self, under: Picture) -> Picture:
        """Lay it over a picture."""
        kept = 1 - self.cover
        chroma = under.chroma * halved(kept)[..., None] + self.chroma
        return Picture(under.luma * kept + self.luma, chroma)


class Interior:
    """Paints the inside of one reference frame's mouth."""

    def __init__(
        self,
        shape: MouthShape,
        palette: Palette,
        picture: Picture,
        at: FaceBox,
        *,
        is_still: bool,
    ) -> None:
        """Find the picture's teeth.

        Args:
            shape: The frame's mouth.
            palette: Colours in the picture's light.
            picture: The frame's pixels in ``at``, level.
            at: Level rectangle round the mouth.
            is_still: Teeth that the picture shows may be used; those of a video come and go.
        """
        self._shape, self._palette, self._picture, self._at = shape, palette, picture, at
        self._eye = shape.eye_distance / shape.facing
        self._unit = shape.eye_distance / 100
        closed = shape.closed
        rest = apply_affine(shape.to_frame, (closed.upper[3] + closed.lower[3]) / 2)
        self._rest_line = smooth_curve(rest)
        middle = shape.points[[0, 17, 13, 14]].mean(0)
        self._middle_x = float(apply_affine(shape.to_frame, middle)[0])
        # Eye distances per pixel, left and right of the middle.
        self._per_pixel = tuple(1 / (self._eye * half) for half in shape.halves)
        self.shows_teeth = is_still and shape.openness > OWN_TEETH_FROM
        self._own = [
            smooth_curve(apply_affine(shape.to_frame, shape.points[row]))
            for row in (INNER_UPPER, INNER_LOWER)
        ]

    def paint(self, under: Picture, at: FaceBox, contour: Contour, light: float) -> Layer:
        """Paint the opening over warped lips.

        Args:
            under: The warped picture in ``at``.
            at: Level rectangle round the opening.
            contour: The lips, over the columns of ``at``.
            light: Brightness of the generated mouth's inside in units of the skin's.
        """
        place = _Place.of(at, contour)
        cover = self._cover(place)
        if float(cover.max()) > _LEAST_COVER:
            inside = self._inside(place, light)
            chroma = inside.chroma * halved(cover)[..., None]
            layer = Layer(inside.luma * cover, chroma, cover)
        else:
            layer = Layer(np.zeros_like(under.luma), np.zeros_like(under.chroma), cover * 0)
        return self._close(layer, under, place)

    def _cover(self, place: "_Place") -> Floats:
        soft = max(2.4, 1.3 * self._unit)
        below = np.clip((place.y - place.top) / soft + 0.5, 0, 1)
        above = np.clip((place.bottom - place.y) / soft + 0.5, 0, 1)
        tall = smoothstep(place.height, 0.3 * self._unit, 2.2 * self._unit)
        corners = smoothstep(np.minimum(place.across, 1 - place.across), -0.005, 0.05)
        return np.asarray(below * above * (tall * corners), np.float32)

    def _inside(self, place: "_Place", light: float) -> Picture:
        """Paint the cavity, the flesh in it, the teeth and the shadow on them all."""
        palette, shadow = self._palette, self._shadow(place)
        flesh = self._flesh(place)
        half_flesh = halved(flesh)[..., None]
        luma = palette.dark[0] + (palette.tongue[0] - palette.dark[0]) * flesh
        chroma = palette.dark[1:] + (palette.tongue[1:] - palette.dark[1:]) * half_flesh
        if self.shows_teeth:
            teeth, cover = self._own_teeth(place)
        else:
            teeth, cover = self._drawn_teeth(place, light)
        luma += (teeth.luma - luma) * cover
        chroma += (teeth.chroma - chroma) * halved(cover)[..., None]
        # Light that lips and gums have thrown back is as red as they are: only brightness falls.
        luma *= shadow
        return Picture(luma + BLACK, chroma + GREY)

    def _flesh(self, place: "_Place") -> Floats:
        """Give how much is seen of the tongue and of the inner side of the lower lip."""
        eye, beside = self._eye, np.abs(self._from_middle(place.x))
        wide = smoothstep(place.height, 0.05 * eye, 0.13 * eye)
        share = 0.75 * wide * (1 - smoothstep(beside, 0.10, 0.28))
        down = (place.y - place.top) / np.maximum(place.height, np.float32(1e-3))
        tongue = smoothstep(np.asarray(down, np.float32), 0.45, 1.0) * share
        above_lip = np.maximum(place.bottom - place.y, 0) * np.float32(1 / (_INNER_LIP * eye))
        return np.asarray(np.maximum(tongue, 0.6 * np.exp(-above_lip)), np.float32)

    def _drawn_teeth(self, place: "_Place", light: float) -> tuple[Picture, Floats]:
        """Draw an upper row of teeth, fixed to the skull, and how much of it is seen."""
        eye, line = self._eye, self._rest_line
        row = Teeth.at(np.abs(self._from_middle(place.x)), 1 / eye)
        rest = np.interp(place.x, line[:, 0], line[:, 1])
        grow = 0.12 * np.maximum(place.height - 0.085 * eye, 0)
        edge = np.asarray(rest + eye * row.edge + grow, np.float32)
        depth = edge - place.y
        cover = np.clip(depth / np.float32(max(3.2, 1.7 * self._unit)) + 0.5, 0, 1)
        cover *= row.seen * np.float32(0.5 + 0.5 * smoothstep(light, 0.22, 0.55))
        # A mouth that is hardly open lets little light in.
        lit = 0.82 + 0.18 * smoothstep(float(place.height.max()), 0.02 * eye, 0.12 * eye)
        bright = row.shade * lit * neck_shade(depth / np.float32(eye))
        tooth = self._palette.tooth
        teeth = Picture(bright * tooth[0], halved(bright)[..., None] * tooth[1:])
        return teeth, cover

    def _from_middle(self, x: Floats) -> Floats:
        """Give how far columns lie from the middle of the teeth, in eye distances.

        The far half of a turned mouth is narrower, and so are the teeth in it.
        """
        away = x - self._middle_x
        return np.asarray(away * np.where(away < 0, *self._per_pixel), np.float32)

    def _own_teeth(self, place: "_Place") -> tuple[Picture, Floats]:
        """Fetch the picture's own upper teeth: they follow the upper lip only upwards."""
        unit = self._unit
        top, bottom = (np.interp(place.x, c[:, 0], c[:, 1]).astype(np.float32) for c in self._own)
        raised = np.maximum(top - place.top, 0)
        y = place.y + raised * np.exp(np.maximum(place.y - place.top, 0) * (-0.1 / unit))
        cover = np.clip((y - top) / (1.5 * unit), 0, 1)
        cover *= np.clip((bottom - unit - y) / (2.5 * unit), 0, 1)
        cover *= smoothstep(np.maximum(bottom - top, 0), 1.5 * unit, 4 * unit)
        rows = np.asarray(y - self._at.y1, np.float32)
        columns = np.broadcast_to(place.x - self._at.x1, rows.shape).astype(np.float32)
        luma = cv2.remap(self._picture.luma, columns, rows, cv2.INTER_LINEAR)
        chroma = cv2.remap(
            self._picture.chroma,
            halved(columns) / 2 - np.float32(0.25),
            halved(rows) / 2 - np.float32(0.25),
            cv2.INTER_LINEAR,
        )
        teeth = Picture(np.asarray(luma - BLACK), np.asarray(chroma - GREY))
        return teeth, np.asarray(cover, np.float32)

    def _shadow(self, place: "_Place") -> Floats:
        """Darken under the upper lip and towards the corners."""
        unit, strength = self._unit, 0.20 if self.shows_teeth else 0.30
        upper = np.exp(np.maximum(place.y - place.top, 0) * np.float32(-1 / (2.2 * unit)))
        corner = 1 - 0.55 * np.exp(-np.minimum(place.across, 1 - place.across) / 0.07)
        lit = 1 - np.float32(strength) * upper
        return np.asarray(np.clip(lit * corner, 0.15, 1), np.float32)

    def _close(self, layer: Layer, under: Picture, place: "_Place") -> Layer:
        """Run specks of teeth between lips that meet together, along the line."""
        shut = self._shape.seam * (1 - smoothstep(place.height, 0.5 * self._unit, 3 * self._unit))
        shut = shut * smoothstep(np.minimum(place.across, 1 - place.across), -0.02, 0.08)
        if float(shut.max()) < _LEAST_COVER:
            return layer
        away = (place.y - (place.top + place.bottom) / 2) / np.float32(0.9 * self._unit + 0.5)
        line = np.asarray(np.exp(-away * away) * shut, np.float32)
        shown, reach = layer.over(under), max(1, int(5 * self._unit))
        run = (cv2.blur(shown.luma, (2 * reach + 1, 1)) - BLACK) * _LINE_SHADE + BLACK
        luma = layer.luma + (run - layer.luma) * line
        tint = cv2.blur(shown.chroma, (reach // 2 * 2 + 1, 1))
        chroma = layer.chroma + (tint - layer.chroma) * halved(line)[..., None]
        return Layer(luma, chroma, layer.cover + (1 - layer.cover) * line)


class _Place(NamedTuple):
    """Coordinates of a level rectangle: rows ``(h, 1)``, everything else ``(w,)``."""

    y: Floats
    x: Floats
    top: Floats
    bottom: Floats
    height: Floats
    across: Floats

    @classmethod
    def of(cls, at: FaceBox, contour: Contour) -> "_Place":
        y = np.arange(at.y1, at.y2, dtype=np.float32)[:, None]
        x = np.arange(at.x1, at.x2, dtype=np.float32)
        height = contour.lower - contour.upper
        return cls(y, x, contour.upper, contour.lower, height, contour.across)


def halved(values: Floats) -> Floats:
    """Give values at chroma samples: the mean of their four pixels, ``(h // 2, w // 2)``."""
    size_wh = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size_wh, interpolation=cv2.INTER_AREA), np.float32)
