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
#: How bright the tongue is where it lies highest, lit teeth being 1.
_TONGUE = 0.3
#: Light up to which teeth are as red as the flesh round them, and from which on they are white.
_REDDISH, _WHITE = 0.1, 0.5

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

    def paint(self, under: Picture, at: FaceBox, contour: Contour, light: Floats) -> Layer:
        """Paint the opening over warped lips.

        Args:
            under: The warped picture in ``at``.
            at: Level rectangle round the opening.
            contour: The lips, over the columns of ``at``.
            light: What the lips let see, see ``InsideLight``.
        """
        place = _Place.of(at, contour)
        cover = self._cover(place)
        if float(cover.max()) > _LEAST_COVER:
            luma, chroma = self._inside(place, light)
            luma *= cover
            chroma *= halved(cover)
            layer = Layer(luma, chroma, cover)
        else:
            layer = Layer(np.zeros_like(under.luma), np.zeros_like(under.chroma), cover * 0)
        return self._close(layer, under, place)

    def _cover(self, place: "_Place") -> Floats:
        soft = max(2.4, 1.3 * self._unit)
        tall = smoothstep(place.height, 0.3 * self._unit, 2.2 * self._unit)
        corners = smoothstep(np.minimum(place.across, 1 - place.across), -0.005, 0.05)
        cover = _ramp(place.below_top, soft)
        cover *= _ramp(place.above_bottom, soft)
        cover *= tall * corners
        return cover

    def _inside(self, place: "_Place", light: Floats) -> Picture:
        """Paint teeth, and flesh behind them, in the light that the lips let in."""
        lit = _enlarged(light, place)
        luma, chroma = self._flesh(place, lit)
        if self.shows_teeth:
            teeth, cover = self._own_teeth(place)
        else:
            teeth, cover = self._drawn_teeth(place, lit)
        luma += (teeth.luma - luma) * cover
        chroma += (teeth.chroma - chroma) * halved(cover)
        # Light that lips and gums have thrown back is as red as they are: only brightness falls.
        luma *= self._shadow(place)
        luma += BLACK
        chroma += GREY
        return Picture(luma, chroma)

    def _flesh(self, place: "_Place", lit: Floats) -> Picture:
        """Paint what is behind the teeth: dark above, a tongue below."""
        flesh = self._palette.flesh
        luma = lit * place.down
        luma *= np.float32(_TONGUE * self._palette.tooth[0])
        luma += flesh[0]
        return Picture(luma, halved(luma) * _hue(flesh))

    def _drawn_teeth(self, place: "_Place", lit: Floats) -> tuple[Picture, Floats]:
        """Draw an upper row of teeth, fixed to the skull, and how much of it is seen."""
        eye, line = self._eye, self._rest_line
        row = Teeth.at(np.abs(self._from_middle(place.x)), 1 / eye)
        rest = np.interp(place.x, line[:, 0], line[:, 1])
        grow = 0.12 * np.maximum(place.height - 0.085 * eye, 0)
        depth = np.asarray(rest + eye * row.edge + grow, np.float32) - place.y
        cover = _ramp(depth, max(3.2, 1.7 * self._unit))
        cover *= row.seen
        depth *= np.float32(1 / eye)
        bright = neck_shade(depth)
        bright *= row.shade
        bright *= lit
        tooth, flesh = self._palette.tooth, self._palette.flesh
        luma = bright * (tooth[0] - flesh[0])
        luma += flesh[0]
        # The less light, the more of it the lips have thrown back.
        white = halved(_ramp(lit - np.float32(_REDDISH), _WHITE - _REDDISH, 0))
        hue = _hue(flesh) + white * (_hue(tooth) - _hue(flesh))
        return Picture(luma, halved(luma) * hue), cover

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
        y = _faded(place.below_top, 10 * unit)
        y *= np.maximum(top - place.top, 0)
        y += place.y
        cover = _ramp(y - top, 1.5 * unit, 0)
        cover *= _ramp((bottom - np.float32(unit)) - y, 2.5 * unit, 0)
        cover *= smoothstep(np.maximum(bottom - top, 0), 1.5 * unit, 4 * unit)
        y -= self._at.y1
        x = np.repeat(place.x[None] - self._at.x1, len(y), 0)
        luma = cv2.remap(self._picture.luma, x, y, cv2.INTER_LINEAR)
        x, y = (halved(along) * np.float32(0.5) - np.float32(0.25) for along in (x, y))
        chroma = [cv2.remap(plane, x, y, cv2.INTER_LINEAR) for plane in self._picture.chroma]
        return Picture(luma - BLACK, np.asarray(chroma, np.float32) - GREY), cover

    def _shadow(self, place: "_Place") -> Floats:
        """Darken under the upper lip and towards the corners."""
        strength = np.float32(0.20 if self.shows_teeth else 0.30)
        corner = 1 - 0.55 * np.exp(-np.minimum(place.across, 1 - place.across) / 0.07)
        lit = _faded(place.below_top, 2.2 * self._unit)
        lit *= -strength
        lit += 1
        lit *= corner
        return np.clip(lit, 0.15, 1, out=lit)

    def _close(self, layer: Layer, under: Picture, place: "_Place") -> Layer:
        """Run specks of teeth between lips that meet together, along the line."""
        shut = self._shape.seam * (1 - smoothstep(place.height, 0.5 * self._unit, 3 * self._unit))
        shut = shut * smoothstep(np.minimum(place.across, 1 - place.across), -0.02, 0.08)
        if float(shut.max()) < _LEAST_COVER:
            return layer
        # Half-way between the lips, downwards.
        line = place.below_top - place.above_bottom
        line *= np.float32(0.5 / (0.9 * self._unit + 0.5))
        line = cv2.exp(cv2.multiply(line, line, scale=-1)) * shut
        shown, reach = layer.over(under), max(1, int(5 * self._unit))
        run = cv2.blur(shown.luma, (2 * reach + 1, 1))
        run = run * np.float32(_LINE_SHADE) + np.float32(BLACK * (1 - _LINE_SHADE))
        luma = layer.luma + (run - layer.luma) * line
        tint = [cv2.blur(plane, (reach // 2 * 2 + 1, 1)) for plane in shown.chroma]
        chroma = layer.chroma + (tint - layer.chroma) * halved(line)
        return Layer(luma, chroma, layer.cover + (1 - layer.cover) * line)


class _Place(NamedTuple):
    """Coordinates of a level rectangle.

    Attributes:
        y: Its rows, ``(h, 1)``.
        x: Its columns, ``(w,)``, as are the next three.
        top: Inner edge of the upper lip.
        height: Of the opening.
        across: Where columns lie between the corners, 0 to 1.
        below_top: How far pixels lie below the upper lip, ``(h, w)``.
        above_bottom: How far they lie above the lower lip, ``(h, w)``.
        down: Where they lie between the lips, 0 to 1, ``(h, w)``.
    """

    y: Floats
    x: Floats
    top: Floats
    height: Floats
    across: Floats
    below_top: Floats
    above_bottom: Floats
    down: Floats

    @classmethod
    def of(cls, at: FaceBox, contour: Contour) -> "_Place":
        y = np.arange(at.y1, at.y2, dtype=np.float32)[:, None]
        x = np.arange(at.x1, at.x2, dtype=np.float32)
        top, bottom = contour.upper, contour.lower
        height, below = bottom - top, y - top
        down = np.clip(below / np.maximum(height, 1e-3), 0, 1, dtype=np.float32)
        return cls(y, x, top, height, contour.across, below, bottom - y, down)


def _enlarged(grid: Floats, place: _Place) -> Floats:
    """Spread a grid between the lips over the pixels, ``(h, w)``."""
    rows, columns = grid.shape
    x = np.repeat((place.across * columns - 0.5).astype(np.float32)[None], len(place.y), 0)
    y = place.down * np.float32(rows) - np.float32(0.5)
    spread = cv2.remap(grid, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(spread, np.float32)


def _hue(colour: Floats) -> Floats:
    """Give the chroma of a colour per luma, ``(2, 1, 1)``."""
    return np.asarray((colour[1:] / colour[0])[:, None, None], np.float32)


def _ramp(values: Floats, soft: float, middle: float = 0.5) -> Floats:
    """Rise from 0 to 1 over a length, being ``middle`` where values are 0."""
    risen = values * np.float32(1 / soft)
    risen += np.float32(middle)
    np.clip(risen, 0, 1, out=risen)
    return risen


def _faded(values: Floats, length: float) -> Floats:
    """Fall from 1 where values are 0 or less, to a third within a length."""
    # OpenCV's exponential takes a quarter of NumPy's time.
    return np.asarray(cv2.exp(np.minimum(values * np.float32(-1 / length), 0)), np.float32)


def halved(values: Floats) -> Floats:
    """Give values at chroma samples: the mean of their four pixels, ``(h // 2, w // 2)``."""
    size_wh = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size_wh, interpolation=cv2.INTER_AREA), np.float32)
