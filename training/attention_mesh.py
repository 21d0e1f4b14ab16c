"""FaceMesh with attention: 468 landmarks whose lips are read again from a closer look.

Network: MediaPipe Attention Mesh (Grishchenko et al. 2020), as two OpenVINO networks: a trunk that
gives all points and a picture of features, and a head that reads 80 lip points from a turned and
scaled piece of that picture. The cut between them is an affine warp, done here. On closed lips it
reads 0.00 where the plain mesh reads 0.01 to 0.05 of the mouth's width.
"""

import math
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from runtime.faces import FaceMesh, Roi
from runtime.faces.facemesh import INPUT_SIDE
from runtime.types import FaceBox, Frame, Landmarks
from training.lips import LIP_POINTS

TRUNK_NAME, LIPS_NAME = "attmesh-trunk", "attmesh-lips"
#: The lip points that the head refines: the outer and the inner ring, then the two between them.
REFINED_POINTS = (
    *LIP_POINTS,
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
#: Points whose connection is level in the head's input.
_LEFT, _RIGHT = 61, 291
#: Side of the piece in parts of the lips' extent, and in cells of the head's input.
_ROOM = 1.5
_CELLS = 16
_FEATURE_STEP = 4
_CHANNELS_AT_ONCE = 4  # cv2.warpAffine takes no more than four channels

Affine = NDArray[np.float64]


class AttentionMesh:
    """Reads the landmarks of one face, the lips with care; same use as ``FaceMesh``."""

    def __init__(self, trunk: Path, lips: Path) -> None:
        config = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        core = ov.Core()
        self._trunk = core.compile_model(trunk, "CPU", config)
        self._lips = core.compile_model(lips, "CPU", config)

    @classmethod
    def find(cls, folder: Path) -> "AttentionMesh | FaceMesh":
        """Load the best mesh of a models folder: this one, or the plain one."""
        trunk, lips = folder / f"{TRUNK_NAME}.xml", folder / f"{LIPS_NAME}.xml"
        if trunk.is_file() and lips.is_file():
            return cls(trunk, lips)
        return FaceMesh(folder / "facemesh.xml")

    def landmarks(self, image: Frame, roi: Roi | FaceBox) -> tuple[float, Landmarks]:
        """Read landmarks once; see ``FaceMesh.landmarks``."""
        place = Roi.of_box(roi, 1.0) if isinstance(roi, FaceBox) else roi
        to_input = _image_to_input(place)
        size = (INPUT_SIDE, INPUT_SIDE)
        picture = cv2.warpAffine(image, to_input, size, borderMode=cv2.BORDER_REPLICATE)
        score, points = self._run((picture[None, ..., ::-1] / 255).astype(np.float32))
        to_image = cv2.invertAffineTransform(to_input)
        return score, (points @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32)

    def settle(self, image: Frame, roi: Roi, *, passes: int = 3) -> tuple[float, Landmarks]:
        """Read landmarks, then again where they were found, until the place has settled."""
        score, points = self.landmarks(image, roi)
        for _ in range(passes - 1):
            score, points = self.landmarks(image, Roi.of_landmarks(points))
        return score, points

    def _run(self, picture: NDArray[np.float32]) -> tuple[float, Landmarks]:
        outputs = {array.size: array for array in self._trunk([picture]).values()}
        points = outputs[468 * 3].reshape(468, 3)[:, :2].copy()
        features = next(
            array for array in outputs.values() if array.ndim == 4 and array.size > 9999
        )
        logit = float(outputs[1].reshape(-1)[0])
        piece = _piece_of(points)
        read = self._lips([_cut_features(features[0], piece)[None]])[0].reshape(-1, 2)
        points[list(REFINED_POINTS)] = _to_input(read, piece)
        return 1 / (1 + math.exp(-max(min(logit, 80.0), -80.0))), points


def _image_to_input(roi: Roi) -> Affine:
    radians = math.radians(roi.angle)
    scale = INPUT_SIDE / roi.side
    cosine, sine = math.cos(radians) * scale, math.sin(radians) * scale
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = np.full(2, INPUT_SIDE / 2) - turn @ np.array([roi.x, roi.y])
    return np.hstack([turn, shift[:, None]])


def _piece_of(points: Landmarks) -> Affine:
    """Give the map from cells of the head's input to cells of the feature picture, ``(2, 3)``."""
    cells = points.astype(np.float64) / _FEATURE_STEP
    across = cells[_RIGHT] - cells[_LEFT]
    angle = math.atan2(across[1], across[0])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    level = cells[list(REFINED_POINTS)] @ turn
    high, low = level.max(axis=0), level.min(axis=0)
    grid = turn * (_ROOM * (high - low) / _CELLS)
    origin = turn @ ((high + low) / 2) - grid @ np.full(2, _CELLS / 2)
    return np.hstack([grid, origin[:, None]])


def _cut_features(features: NDArray[np.float32], piece: Affine) -> NDArray[np.float32]:
    # The piece counts from corners of cells, OpenCV from their centres.
    centred = piece.copy()
    centred[:, 2] += piece[:, :2] @ np.full(2, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (_CELLS, _CELLS)
    layers = [
        cv2.warpAffine(features[..., first : first + _CHANNELS_AT_ONCE], centred, size, flags=flags)
        for first in range(0, features.shape[-1], _CHANNELS_AT_ONCE)
    ]
    return np.ascontiguousarray(np.dstack(layers), np.float32)


def _to_input(points: NDArray[np.float32], piece: Affine) -> Landmarks:
    # The head counts in pixels of the trunk's input, four to a cell.
    cells = points / _FEATURE_STEP @ piece[:, :2].T + piece[:, 2]
    return np.asarray(cells * _FEATURE_STEP, np.float32)
