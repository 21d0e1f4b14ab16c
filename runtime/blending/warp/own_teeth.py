"""The avatar's own upper teeth, out of the frame that shows them best."""

from typing import NamedTuple

import cv2
import numpy as np

from runtime.blending.lips import INNER_LOWER, INNER_UPPER, apply_affine, smoothstep
from runtime.blending.warp.contour import smooth_curve
from runtime.blending.warp.front import Front
from runtime.blending.warp.layers import Floats, Picture, faded, halved, ramp
from runtime.blending.warp.level import Level, even
from runtime.blending.warp.palette import BLACK, GREY, Palette
from runtime.blending.warp.shape import MouthShape
from runtime.blending.warp.surface import samples
from runtime.types import ReferenceFrame

#: Points at the foot of the nose: like the upper teeth they stay where the skull is.
_NOSE_FOOT = [2, 97, 98, 326, 327]


class Skull(NamedTuple):
    """Where the upper jaw is in a frame, in level coordinates.

    Attributes:
        x: Middle of the mouth.
        y: Foot of the nose.
        unit: Pixels of an eye distance that looks at the camera.
        per_pixel: Eye distances per pixel, left and right of the middle: the far half of a turned
            mouth is narrower, and so are the teeth in it.
    """

    x: float
    y: float
    unit: float
    per_pixel: tuple[float, float]

    @classmethod
    def of(cls, shape: MouthShape) -> "Skull":
        """Find it by landmarks that do not move with the lips."""
        middle = apply_affine(shape.to_frame, shape.points[[0, 17, 13, 14]].mean(0))
        foot = apply_affine(shape.to_frame, shape.points[_NOSE_FOOT].mean(0))
        unit = shape.eye_distance / shape.facing
        left, right = shape.halves
        return cls(float(middle[0]), float(foot[1]), unit, (1 / (unit * left), 1 / (unit * right)))

    def beside(self, x: Floats) -> Floats:
        """Give how far columns lie from the middle, in eye distances."""
        away = x - self.x
        return np.asarray(away * np.where(away < 0, *self.per_pixel), np.float32)

    def column(self, beside: Floats) -> Floats:
        """Give the columns that lie so far from the middle."""
        return np.asarray(self.x + beside / np.where(beside < 0, *self.per_pixel), np.float32)


class OwnTeeth:
    """Upper teeth as one frame shows them, to be put behind the lips of others.

    Attributes:
        skull: Where the frame's upper jaw is.
        light: On that frame's skin, see ``Palette``.
    """

    def __init__(self, reference: ReferenceFrame) -> None:
        """Cut the mouth out.

        Args:
            reference: A frame whose mouth is open.
        """
        level = Level(reference)
        shape = MouthShape(level.points(reference.landmarks))
        self.skull = Skull.of(shape)
        self.light = Palette.of(reference.planes, reference.landmarks, shape.eye_distance).light
        self._upper, self._lower = (
            smooth_curve(apply_affine(shape.to_frame, shape.points[row]))
            for row in (INNER_UPPER, INNER_LOWER)
        )
        lips = np.concatenate([self._upper, self._lower])
        (x1, y1), (x2, y2) = lips.min(0).tolist(), lips.max(0).tolist()
        self._at = even(int(x1) - 4, int(y1) - 4, int(x2) + 5, int(y2) + 5)
        region = level.region_of(self._at)
        front = Front.of(reference, region)
        mouth = samples(reference.planes if front is None else front.without(), region)
        self._picture = Picture(
            level.cut(mouth.luma, region, self._at),
            level.cut(mouth.chroma, region, self._at, scale=2),
        )
        self._soft = shape.eye_distance / 100

    def at(self, x: Floats, y: Floats, top: Floats) -> tuple[Picture, Floats]:
        """Fetch teeth, all places in pixels of this frame.

        Args:
            x: Columns, ``(w,)``.
            y: Rows, ``(h, 1)``.
            top: Row of the upper lip that is to hide them, per column, ``(w,)``.

        Returns:
            Colours counted from black and grey, and how much of them is teeth, ``(h, w)``.
        """
        soft = self._soft
        upper, lower = (
            np.interp(x, curve[:, 0], curve[:, 1]).astype(np.float32)
            for curve in (self._upper, self._lower)
        )
        # They follow the upper lip only upwards.
        rows = faded(y - top, 10 * soft)
        rows *= np.maximum(upper - top, 0)
        rows += y
        cover = ramp(rows - upper, 1.5 * soft, 0)
        cover *= ramp((lower - np.float32(soft)) - rows, 2.5 * soft, 0)
        cover *= smoothstep(np.maximum(lower - upper, 0), 1.5 * soft, 4 * soft)
        rows -= self._at.y1
        columns = np.repeat(x[None] - self._at.x1, len(rows), 0)
        luma = cv2.remap(self._picture.luma, columns, rows, cv2.INTER_LINEAR)
        columns, rows = (halved(a) * np.float32(0.5) - np.float32(0.25) for a in (columns, rows))
        chroma = [cv2.remap(p, columns, rows, cv2.INTER_LINEAR) for p in self._picture.chroma]
        return Picture(luma - BLACK, np.asarray(chroma, np.float32) - GREY), cover
