"""What is seen inside an open mouth: upper teeth fixed to the skull, and flesh behind them.

The teeth are the avatar's own where it shows them, else drawn. How much light falls on them follows
the movement of the lips, see ``inside``; its colour is the picture's.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from runtime.blending.lips import apply_affine, smoothstep
from runtime.blending.warp.contour import Contour, smooth_curve
from runtime.blending.warp.layers import Floats, Layer, Picture, faded, halved, ramp
from runtime.blending.warp.own_teeth import OwnTeeth, Skull
from runtime.blending.warp.palette import BLACK, GREY, Palette
from runtime.blending.warp.shape import MouthShape
from runtime.blending.warp.teeth import Teeth, neck_shade
from runtime.types import FaceBox

#: Brightness of the line between closed lips, in units of what is around it.
_LINE_SHADE = 0.75
_LEAST_COVER = 0.02
#: Cells of the light between the lips that are the mouth's middle, and how much light they get when
#: a frame is taken for showing its teeth; between closed lips own teeth keep this share.
_MIDDLE, _OWN_LIT = np.s_[2:6, 7:13], 0.85
_LEAST_OWN_LIGHT = 0.4
#: Own teeth are not made brighter than this many times what they were.
_MOST_LIGHT = 2.0
#: Between closed lips this share of own teeth's hue is lost, half of it to the flesh around: what
#: little light falls there, lips and gums have thrown back.
_HUE_LOST = 0.8
#: How bright the tongue is where it lies highest, lit teeth being 1.
_TONGUE = 0.45
#: Light up to which teeth are as red as the flesh round them, and from which on they are white.
_REDDISH, _WHITE = 0.1, 0.5


class Interior:
    """Paints the inside of one reference frame's mouth."""

    def __init__(
        self, shape: MouthShape, palette: Palette, own_teeth: OwnTeeth | None = None
    ) -> None:
        """Measure the mouth.

        Args:
            shape: The frame's mouth.
            palette: Colours in the frame's light.
            own_teeth: The avatar's own; without them teeth are drawn.
        """
        self._shape, self._palette, self._own_teeth = shape, palette, own_teeth
        self._skull = Skull.of(shape)
        self._unit = shape.eye_distance / 100
        closed = shape.closed
        rest = apply_affine(shape.to_frame, (closed.upper[3] + closed.lower[3]) / 2)
        self._rest_line = smooth_curve(rest)

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
        cover = ramp(place.below_top, soft)
        cover *= ramp(place.above_bottom, soft)
        cover *= tall * corners
        return cover

    def _inside(self, place: "_Place", light: Floats) -> Picture:
        """Paint teeth, and flesh behind them, in the light that the lips let in."""
        lit = _enlarged(light, place)
        luma, chroma = self._flesh(place, lit)
        if self._own_teeth is None:
            teeth, cover = self._drawn_teeth(place, lit)
        else:
            bright = float(light[_MIDDLE].mean()) / _OWN_LIT
            teeth, cover = self._fetched_teeth(place, self._own_teeth, min(bright, 1.0))
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
        eye, line = self._skull.unit, self._rest_line
        row = Teeth.at(np.abs(self._skull.beside(place.x)), 1 / eye)
        rest = np.interp(place.x, line[:, 0], line[:, 1])
        grow = 0.12 * np.maximum(place.height - 0.085 * eye, 0)
        depth = np.asarray(rest + eye * row.edge + grow, np.float32) - place.y
        cover = ramp(depth, max(3.2, 1.7 * self._unit))
        cover *= row.seen
        depth *= np.float32(1 / eye)
        bright = neck_shade(depth)
        bright *= row.shade
        bright *= lit
        tooth, flesh = self._palette.tooth, self._palette.flesh
        luma = bright * (tooth[0] - flesh[0])
        luma += flesh[0]
        # The less light, the more of it the lips have thrown back.
        white = halved(ramp(lit - np.float32(_REDDISH), _WHITE - _REDDISH, 0))
        hue = _hue(flesh) + white * (_hue(tooth) - _hue(flesh))
        return Picture(luma, halved(luma) * hue), cover

    def _fetched_teeth(
        self, place: "_Place", own: OwnTeeth, bright: float
    ) -> tuple[Picture, Floats]:
        """Bring the avatar's own teeth to this frame's skull and light."""
        here, there = self._skull, own.skull
        scale = np.float32(there.unit / here.unit)
        rows = there.y + (place.y - np.float32(here.y)) * scale
        top = there.y + (place.top - np.float32(here.y)) * scale
        teeth, cover = own.at(there.column(here.beside(place.x)), rows, top)
        level = min(self._palette.light / own.light, _MOST_LIGHT)
        level *= _LEAST_OWN_LIGHT + (1 - _LEAST_OWN_LIGHT) * math.sqrt(bright)
        luma, chroma = teeth.luma * np.float32(level), teeth.chroma * np.float32(level)
        tooth, flesh = _hue(self._palette.tooth), _hue(self._palette.flesh)
        hue = tooth + np.float32(0.5 * (1 - bright) ** 2) * (flesh - tooth)
        chroma += np.float32(_HUE_LOST * (1 - bright)) * (halved(luma) * hue - chroma)
        return Picture(luma, chroma), cover

    def _shadow(self, place: "_Place") -> Floats:
        """Darken under the upper lip and towards the corners."""
        strength = np.float32(0.30 if self._own_teeth is None else 0.20)
        corner = 1 - 0.55 * np.exp(-np.minimum(place.across, 1 - place.across) / 0.07)
        lit = faded(place.below_top, 2.2 * self._unit)
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
    """Give the chroma of a colour per luma, ``(2, 1, 1)``; that of black is grey's."""
    return np.asarray((colour[1:] / max(float(colour[0]), 1.0))[:, None, None], np.float32)
