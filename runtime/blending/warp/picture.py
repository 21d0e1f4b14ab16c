"""One reference frame ready to be warped, and the warp itself."""

from functools import cached_property

import cv2
import numpy as np

from runtime.blending.lips import apply_affine
from runtime.blending.stage import unchanged
from runtime.blending.warp.contour import Contour
from runtime.blending.warp.field import WarpField, cell_of
from runtime.blending.warp.front import Front
from runtime.blending.warp.inside import GRID
from runtime.blending.warp.interior import Interior
from runtime.blending.warp.layers import Floats, Picture, halved
from runtime.blending.warp.level import Level, even
from runtime.blending.warp.moves import Moves
from runtime.blending.warp.own_teeth import OwnTeeth
from runtime.blending.warp.palette import Palette
from runtime.blending.warp.shape import LipPose, MouthShape
from runtime.blending.warp.surface import Pixels, Surface, sharpen
from runtime.types import FaceBox, Patch, ReferenceFrame

#: Reach of the moving window in eye distances: beside the mouth, above the nose's foot, below the
#: chin.
_BESIDE, _ABOVE, _BELOW = 0.62, 0.10, 0.22


class WarpPicture:
    """Warps the lower face of one reference frame to any lip pose."""

    def __init__(self, reference: ReferenceFrame, own_teeth: OwnTeeth | None = None) -> None:
        """Prepare everything that does not depend on the sound.

        Args:
            reference: A frame with a face.
            own_teeth: The avatar's own; without them teeth are drawn.
        """
        self._reference = reference
        self._level = Level(reference)
        self.shape = MouthShape(self._level.points(reference.landmarks))
        self._cell = cell_of(self.shape.eye_distance)
        self._window = _window(self.shape, 2 * self._cell)
        self._field = WarpField(self.shape, self._window, self._cell)
        region = self._level.region_of(self._window)
        self._front = Front.of(reference, region)
        planes = reference.planes if self._front is None else self._front.without()
        self._surface = Surface(planes, region)
        palette = Palette.of(reference.planes, reference.landmarks, self.shape.eye_distance)
        self._interior = Interior(self.shape, palette, own_teeth)

    @cached_property
    def at_rest(self) -> Patch:
        """The picture with its mouth closed, made once."""
        return self.render(self.shape.closed, np.zeros(GRID, np.float32))

    def render(self, pose: LipPose, light: Floats) -> Patch:
        """Warp to a pose and paint the mouth's inside.

        Args:
            pose: Where the lips are to be.
            light: Inside the mouth, see ``InsideLight``.
        """
        contour = Contour.of_pose(self.shape, pose, self._window)
        moves = Moves(self._field.displacements(pose), contour, self._window, self._cell)
        at = self._opening(contour)
        part = moves.part(at)
        region = self._level.region_of(part)
        if region.width == 0 or region.height == 0:
            return unchanged(self._reference)
        move = self._level.moves(moves.draw(part), part, region)
        pixels = self._surface.moved(move, region)
        lost = moves.lost_sharpness(part)
        sharpen(pixels.luma, self._level.grid(lost, part, region))
        if at.width > 3 and at.height > 2:
            self._paint(pixels, region, at, contour, light)
        touched = np.ones((region.height, region.width), np.bool_)
        if self._front is not None:
            touched = self._front.put_back(pixels, region)
        return Patch(self._reference, region, pixels.planes, touched)

    def _paint(
        self, pixels: Pixels, region: FaceBox, at: FaceBox, contour: Contour, light: Floats
    ) -> None:
        """Paint the mouth's inside into pixels of the frame."""
        level = self._level
        box = _common(level.region_of(at), region)
        part = pixels.cut(region, box)
        under = Picture(level.cut(part.luma, box, at), level.cut(part.chroma, box, at, scale=2))
        lips = contour.columns(at.x1 - self._window.x1, at.x2 - self._window.x1)
        layer = self._interior.paint(under, at, lips, light)
        kept = 1 - level.values(layer.cover, at, box)
        luma = cv2.multiply(part.luma, kept, dtype=cv2.CV_32F)
        part.luma[:] = cv2.add(luma, level.values(layer.luma, at, box), dtype=cv2.CV_8U)
        kept = 1 - level.values(halved(layer.cover), at, box, scale=2)
        painted = level.values(layer.chroma, at, box, scale=2)
        part.chroma[:] = np.clip(np.rint(part.chroma * kept + painted), 0, 255)

    def _opening(self, contour: Contour) -> FaceBox:
        """Give the even part of the window that the mouth's inside can touch."""
        # What runs lips together reaches further than a soft edge.
        margin = (2.5 if self.shape.seam else 0.7) * self.shape.eye_distance / 100
        window = self._window
        x1, x2 = max(int(contour.left) - 1, window.x1), min(int(contour.right) + 3, window.x2)
        inside = slice(max(x1 - window.x1, 0), max(x2 - window.x1, 1))
        top, bottom = float(contour.upper[inside].min()), float(contour.lower[inside].max())
        y1, y2 = int(top - margin - 2), int(bottom + margin + 3)
        return even(x1, max(y1, window.y1), x2, min(y2, window.y2))


def _window(shape: MouthShape, step: int) -> FaceBox:
    """Give the level rectangle that may move: from the nose's foot to below the chin."""
    points = shape.points
    middle, top, bottom = points[[61, 291], 0].mean(), points[2, 1], points[152, 1]
    corners = np.array(
        [(middle + x, y) for x in (-_BESIDE, _BESIDE) for y in (top - _ABOVE, bottom + _BELOW)],
        np.float32,
    )
    in_level = apply_affine(shape.to_frame, corners)
    low, high = in_level.min(0), in_level.max(0)
    # Fewer than twelve steps leave the tapering border no room.
    wide, tall = (max(12, -(-int(side + 1) // step)) * step for side in high - low)
    x, y = (int(corner) // 2 * 2 for corner in np.floor((low + high - (wide, tall)) / 2))
    return FaceBox(x, y, x + wide, y + tall)


def _common(a: FaceBox, b: FaceBox) -> FaceBox:
    return FaceBox(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2))
