"""How much the lips move while nobody speaks, measured on the mouths that were really shown."""

import numpy as np

from runtime.blending.measures import opening
from runtime.faces import FaceMesh, Roi
from runtime.types import CROP_SIZE, FaceBox, MouthCrop

_CROP_ROI = Roi.of_box(FaceBox(0, 0, CROP_SIZE, CROP_SIZE))


class SilenceMeter:
    """Sums the change of the inner-lip opening between neighbouring silent frames.

    A mouth that is shown again (the rest mouth of a still avatar) is known not to have moved and
    costs nothing; others cost one run of the landmark network.
    """

    def __init__(self, mesh: FaceMesh | None) -> None:
        """Measure with ``mesh``; ``None`` measures nothing."""
        self._mesh = mesh
        self._last: MouthCrop | None = None
        self._opening = 0.0
        self._moved = 0.0
        self._pairs = 0

    def observe(self, mouth: MouthCrop, *, is_silent: bool) -> None:
        """Take the next frame's mouth.

        Args:
            mouth: uint8 ``(96, 96, 3)`` BGR, as shown.
            is_silent: Whether its sound is silence.
        """
        if self._mesh is None or not is_silent:
            self._last = None
            return
        if mouth is self._last:
            self._pairs += 1
            return
        now = self._read(self._mesh, mouth)
        if self._last is not None:
            self._moved += abs(now - self._opening)
            self._pairs += 1
        self._last, self._opening = mouth, now

    @property
    def motion(self) -> float | None:
        """Mean movement in percent of the mouth's width; ``None`` without silent neighbours."""
        return 100.0 * self._moved / self._pairs if self._pairs else None

    @staticmethod
    def _read(mesh: FaceMesh, mouth: MouthCrop) -> float:
        _, landmarks = mesh.landmarks(np.ascontiguousarray(mouth), _CROP_ROI)
        return float(opening(landmarks))
