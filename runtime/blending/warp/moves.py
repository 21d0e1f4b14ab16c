"""From two coarse grids of displacements to the movement of every pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.warp.contour import Contour
from runtime.types import FaceBox

#: Movements smaller than this many pixels are not drawn.
LEAST_MOVE = 0.1
#: Sharpening per stretch, and at most: chosen so that the variance of the Laplacian round the lips
#: stays that of the source (``docs/quality.md``).
_STRETCH_GAIN, _MOST_SHARPENING = 1.8, 1.6

Grid = NDArray[np.float32]


class Moves:
    """The movement of one frame: two grids over a window, one for each side of the mouth line."""

    def __init__(self, grids: Grid, contour: Contour, window: FaceBox, cell: int) -> None:
        """Take one frame's displacements.

        Args:
            grids: Along x and y, each above and below the mouth line, ``(2, 2, rows, columns)``.
            contour: Lips and mouth line over the window's columns.
            window: Level rectangle of the grids.
            cell: Side of a grid cell in pixels.
        """
        self._grids, self._contour, self._window, self._cell = grids, contour, window, cell

    def part(self, at: FaceBox) -> FaceBox:
        """Give the level rectangle, of whole cells, that changes.

        Args:
            at: A rectangle that changes in any case.
        """
        cell, window = self._cell, self._window
        moves = np.abs(self._grids).max((0, 1)) > LEAST_MOVE
        rows = slice((at.y1 - window.y1) // cell, -(-(at.y2 - window.y1) // cell))
        moves[rows, (at.x1 - window.x1) // cell : -(-(at.x2 - window.x1) // cell)] = True
        # The outermost cells never move, and the drawing needs one more all round.
        moves[[0, -1]] = False
        moves[:, [0, -1]] = False
        tall, wide = np.flatnonzero(moves.any(1)), np.flatnonzero(moves.any(0))
        if not tall.size:
            return FaceBox(window.x1, window.y1, window.x1, window.y1)
        x1, y1 = window.x1 + int(wide[0]) * cell, window.y1 + int(tall[0]) * cell
        x2, y2 = window.x1 + int(wide[-1] + 1) * cell, window.y1 + int(tall[-1] + 1) * cell
        return FaceBox(x1, y1, x2, y2)

    def draw(self, part: FaceBox) -> Grid:
        """Give source minus target per pixel of a level rectangle, x and y, ``(2, h, w)``.

        Above the mouth line one grid holds, below it the other; both are drawn only where the
        line passes.
        """
        cell = self._cell
        contour = self._contour.columns(part.x1 - self._window.x1, part.x2 - self._window.x1)
        # Between the lips the change is sharp; beyond the corners it must not tear the cheek.
        soft = np.float32(0.8) + np.float32(0.6) * contour.outside
        cells = part.height // cell
        first = int((float((contour.line - soft / 2).min()) - part.y1) // cell)
        last = int(-(-(float((contour.line + soft / 2).max()) + 1 - part.y1) // cell))
        first, last = min(max(first, 0), cells), min(max(last, 0), cells)
        top, bottom = first * cell, last * cell
        rows = np.arange(part.y1 + top, part.y1 + bottom, dtype=np.float32)[:, None]
        share = (rows - contour.line) * (1 / soft)
        share += np.float32(0.5)
        np.clip(share, 0, 1, out=share)
        move = np.empty((2, part.height, part.width), np.float32)
        for (over, under), into in zip(self._cut(part), move, strict=True):
            above = _per_pixel(over, 0, last, cell)
            below = _per_pixel(under, first, cells, cell)
            into[:top], into[bottom:] = above[:top], below[bottom - top :]
            if bottom > top:
                between = cv2.subtract(below[: bottom - top], above[top:], dst=into[top:bottom])
                cv2.multiply(between, share, dst=between)
                cv2.add(between, above[top:], dst=between)
        return move

    def lost_sharpness(self, part: FaceBox) -> Grid:
        """Give, per cell of a level rectangle, how much to sharpen what was stretched."""
        cell, grids = self._cell, self._cut(part)
        per_cell = np.float32(0.5 / cell)
        along_x = (grids[0, :, 1:-1, 2:] - grids[0, :, 1:-1, :-2]) * per_cell
        along_y = (grids[1, :, 2:, 1:-1] - grids[1, :, :-2, 1:-1]) * per_cell
        area = (1 + along_x) * (1 + along_y)
        middles = part.y1 + (np.arange(part.height // cell, dtype=np.float32) + 0.5) * cell
        first = part.x1 - self._window.x1 + cell // 2
        line = self._contour.line[first : first + part.width : cell]
        area = np.where(middles[:, None] > line, area[1], area[0])
        stretch = 1 / np.sqrt(np.minimum(np.maximum(area, 0.1), 1)) - 1
        return np.asarray(np.minimum(_STRETCH_GAIN * stretch, _MOST_SHARPENING), np.float32)

    def _cut(self, part: FaceBox) -> Grid:
        """Give the grids' samples of a rectangle and one more all round."""
        cell, window = self._cell, self._window
        rows = slice((part.y1 - window.y1) // cell - 1, (part.y2 - window.y1) // cell + 1)
        columns = slice((part.x1 - window.x1) // cell - 1, (part.x2 - window.x1) // cell + 1)
        return self._grids[..., rows, columns]


def _per_pixel(grid: Grid, first: int, last: int, cell: int) -> Grid:
    """Draw some of a grid's rows, which has one sample more all round, per pixel."""
    rows = grid[first : last + 2]
    size_wh = (rows.shape[1] * cell, rows.shape[0] * cell)
    drawn = cv2.resize(rows, size_wh, interpolation=cv2.INTER_LINEAR)
    return np.asarray(drawn[cell:-cell, cell:-cell], np.float32)
