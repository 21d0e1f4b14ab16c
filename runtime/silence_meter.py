"""How much the lips move while nobody speaks, measured on the pictures that are really shown."""

import numpy as np

from runtime.blending.measures import opening
from runtime.faces import FaceMesh, Roi
from runtime.faces.facemesh import read_in
from runtime.faces.shots import ShotDetector
from runtime.planes import shown_planes
from runtime.pyramid import Pyramid
from runtime.types import Patch


class SilenceMeter:
    """Sums the change of the inner-lip opening between neighbouring silent frames.

    A picture that is shown again (the rest mouth of a still avatar) is known not to have moved
    and costs nothing; others cost one run of the landmark network. Other lips after a cut, or where
    a video begins anew, are no movement.
    """

    def __init__(self, mesh: FaceMesh | None) -> None:
        """Measure with ``mesh``; ``None`` measures nothing."""
        self._mesh = mesh
        self._shots = ShotDetector()
        self._last: Patch | None = None
        self._opening = 0.0
        self._moved = 0.0
        self._pairs = 0

    def observe(self, patch: Patch, *, is_silent: bool) -> None:
        """Take the next frame.

        Args:
            patch: The frame as shown.
            is_silent: Whether its sound is silence and it shows a face.
        """
        if self._mesh is None or not is_silent:
            self._last = None
            return
        if self._last is not None and _shows_the_same(patch, self._last):
            self._pairs += 1
            return
        picture = Pyramid(shown_planes(patch))
        now = self._read(self._mesh, picture, patch)
        is_cut = self._shots.is_cut(picture)
        if self._last is not None and not is_cut and _follows(patch, self._last):
            self._moved += abs(now - self._opening)
            self._pairs += 1
        self._last, self._opening = patch, now

    @property
    def motion(self) -> float | None:
        """Mean movement in percent of the mouth's width; ``None`` without silent neighbours."""
        return 100.0 * self._moved / self._pairs if self._pairs else None

    @staticmethod
    def _read(mesh: FaceMesh, picture: Pyramid, patch: Patch) -> float:
        roi = Roi.of_landmarks(patch.reference.landmarks)
        _, landmarks = read_in(picture, roi, mesh.landmarks)
        return float(opening(landmarks))


def _follows(patch: Patch, other: Patch) -> bool:
    """Tell whether two frames of a video are neighbours in it, as they are not where it repeats."""
    return abs(patch.reference.index - other.reference.index) <= 1


def _shows_the_same(patch: Patch, other: Patch) -> bool:
    same_frame = patch.reference.planes is other.reference.planes and patch.region == other.region
    return same_frame and (
        patch.pixels is other.pixels or np.array_equal(patch.pixels, other.pixels)
    )
