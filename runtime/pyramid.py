"""A picture at its own size and halved: a network that sees 192 pixels is not shown 1280."""

import threading
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.planes import split_planes, to_bgr
from runtime.types import Frame, Planes


class View(NamedTuple):
    """A picture as seen from further away.

    Attributes:
        frame: uint8 ``(h, w, 3)`` BGR; every pixel is the mean of ``step * step`` of the picture.
        step: Pixels of the picture in one of the view, along one side.
    """

    frame: Frame
    step: int

    def inside(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Bring places in the picture to the view; pixel centres are whole numbers in both."""
        return (points.astype(np.float64) + 0.5) / self.step - 0.5

    def outside(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Bring places in the view to the picture."""
        return (points.astype(np.float64) + 0.5) * self.step - 0.5


class Pyramid:
    """One picture in several sizes, each made when it is first asked for; safe between threads."""

    def __init__(self, picture: Frame | Planes) -> None:
        """Keep a picture.

        Args:
            picture: BGR, uint8 ``(h, w, 3)``; or I420 planes, uint8 ``(h * 3 // 2, w)``.
        """
        self._stored = [picture]
        self._frames: dict[int, Frame] = {}
        self._lock = threading.Lock()

    @property
    def planes(self) -> Planes | None:
        """The planes that were given, if planes were given."""
        return self._stored[0] if self._stored[0].ndim == 2 else None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return _size(self._stored[0])

    @property
    def whole(self) -> Frame:
        """The picture at its own size, uint8 ``(h, w, 3)`` BGR."""
        return self._frame(0)

    def near(self, side: float, pixels: int) -> View:
        """Give the smallest view in which a part of the picture has enough pixels.

        Args:
            side: Length of the part in pixels of the picture.
            pixels: How many the view needs at least; fewer only where the picture has fewer.
        """
        level = self._level(side, pixels)
        return View(self._frame(level), 1 << level)

    def reduced(self, side: float, pixels: int) -> tuple[Frame | Planes, int]:
        """Give the same view unconverted, as planes if planes were given, and its step."""
        level = self._level(side, pixels)
        with self._lock:
            return self._picture(level), 1 << level

    def _level(self, side: float, pixels: int) -> int:
        level = 0
        while side >= (pixels << level + 1) and self._can_halve(level):
            level += 1
        return level

    def _can_halve(self, level: int) -> bool:
        # Planes need even sides; and only then is every pixel the mean of four whole ones.
        height, width = self.size
        return (height | width) % (4 << level) == 0

    def _frame(self, level: int) -> Frame:
        with self._lock:
            if level not in self._frames:
                stored = self._picture(level)
                self._frames[level] = to_bgr(stored) if stored.ndim == 2 else stored
            return self._frames[level]

    def _picture(self, level: int) -> Frame | Planes:
        while len(self._stored) <= level:
            self._stored.append(_halved(self._stored[-1]))
        return self._stored[level]


def _size(picture: Frame | Planes) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return (height * 2 // 3 if picture.ndim == 2 else height), width


def _halved(picture: Frame | Planes) -> Frame | Planes:
    height, width = (side // 2 for side in _size(picture))
    if picture.ndim == 3:
        half = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(half, np.uint8)
    planes = np.empty((height * 3 // 2, width), np.uint8)
    for fine, coarse in zip(split_planes(picture), split_planes(planes), strict=True):
        size_wh = (coarse.shape[1], coarse.shape[0])
        cv2.resize(fine, size_wh, dst=coarse, interpolation=cv2.INTER_AREA)
    return planes
