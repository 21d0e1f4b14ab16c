"""Read lip points off pictures with a network that had no part in training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from runtime.faces import Roi
from runtime.types import FaceBox, Frame
from training.attention_mesh import AttentionMesh
from training.corpus import VIDEO_SIZE
from training.lips import LipPoints, from_mesh

#: FaceMesh sees 192 pixels: frames of a data set are enlarged, so that it need not.
ENLARGED = 2


class LipReader(Protocol):
    """Reads lips; an independent witness for the evaluation."""

    def read(self, frames: Sequence[Frame]) -> LipPoints:
        """Give lip points float32 ``(n, 40, 2)`` in pixels of ``frames`` of one clip."""


class MeshLipReader:
    """Reads lips with a face mesh in one fixed place for all frames of a clip.

    Attributes:
        name: Which mesh.
    """

    def __init__(self, models_dir: Path) -> None:
        """Load the attention mesh of a models folder, or the plain one where it is missing."""
        self._mesh = AttentionMesh.find(models_dir)
        self.name = type(self._mesh).__name__

    def read(self, frames: Sequence[Frame]) -> LipPoints:
        """Give lip points, see ``LipReader.read``."""
        side = VIDEO_SIZE * ENLARGED
        _, settled = self._mesh.settle(_enlarged(frames[0]), Roi.of_box(FaceBox(0, 0, side, side)))
        place = Roi.of_landmarks(settled)
        meshes = [self._mesh.landmarks(_enlarged(frame), place)[1] for frame in frames]
        # Pixel centres: enlarging by k moves centre c to k c + (k - 1) / 2.
        points = (from_mesh(np.stack(meshes)) - (ENLARGED - 1) / 2) / ENLARGED
        return np.asarray(points, np.float32)


def _enlarged(frame: Frame) -> Frame:
    picture = cv2.resize(frame, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return np.asarray(picture, np.uint8)
