"""Follow one face through frames with a face mesh."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.faces import BlazeFace, Roi
from runtime.faces.blazeface import FaceGuess
from runtime.types import Frame, Landmarks
from training.attention_mesh import AttentionMesh

_SCORE_FLOOR = 0.5
#: The mesh looks at a square this much larger than BlazeFace's box.
_ROOM = 1.5


class FaceTracker(Protocol):
    """Reads the mesh of one face."""

    def track(self, frames: Sequence[Frame]) -> list[Landmarks | None]:
        """Give the mesh of every frame, or None where there is no face."""

    def settle(self, image: Frame) -> NDArray[np.float64] | None:
        """Give the mesh of a still picture; None without a face."""


class MeshTracker:
    """Finds and follows the largest face; best with the attention mesh installed."""

    def __init__(self, models_dir: Path) -> None:
        """Load ``blazeface`` and a face mesh from a models folder."""
        self._finder = BlazeFace(models_dir / "blazeface.xml")
        self._mesh = AttentionMesh.find(models_dir)

    def track(self, frames: Sequence[Frame]) -> list[Landmarks | None]:
        """Give the mesh of every frame, or None where there is no face."""
        found: list[Landmarks | None] = []
        place: Roi | None = None
        for frame in frames:
            place = place or self._find(frame)
            mesh = None if place is None else self._read(frame, place)
            found.append(mesh)
            place = None if mesh is None else Roi.of_landmarks(mesh)
        return found

    def settle(self, image: Frame) -> NDArray[np.float64] | None:
        """Give the mesh of a still picture, read thrice so that it settles; None without a face."""
        mesh = self.track([image] * 3)[-1]
        return None if mesh is None else mesh.astype(np.float64)

    def _find(self, frame: Frame) -> Roi | None:
        guesses: list[FaceGuess] = self._finder.find(frame)
        if not guesses:
            return None
        x1, y1, x2, y2 = max(guesses, key=_extent).box
        return Roi((x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1) * _ROOM)

    def _read(self, frame: Frame, place: Roi) -> Landmarks | None:
        score, mesh = self._mesh.landmarks(frame, place)
        return mesh if score >= _SCORE_FLOOR else None


def _extent(guess: FaceGuess) -> float:
    x1, y1, x2, y2 = guess.box
    return float((x2 - x1) * (y2 - y1))
