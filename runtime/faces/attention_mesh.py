"""FaceMesh with attention: the same 468 landmarks, with lips read a second time from close up.

Network: MediaPipe Attention Mesh (Grishchenko et al. 2020), as two parts. The trunk gives all
points and a map of features; the lips head reads a small upright crop of that map around the
mouth. Closed lips meet: their opening is 0.00, where the plain mesh leaves 0.01 to 0.04.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ModelMismatchError
from runtime.faces.compiled import load_face_network, load_inner_network
from runtime.faces.facemesh import FaceMesh, read_outputs
from runtime.types import Frame, Landmarks


class AttentionMesh(FaceMesh):
    """Reads the landmarks of one face with exact lips; safe to share between threads."""

    def __init__(self, trunk: Path, lips: Path) -> None:
        """Read both parts.

        Args:
            trunk: IR ``attmesh-trunk``.
            lips: IR ``attmesh-lips``; its metadata tell which points it refines and how its crop
                is cut.

        Raises:
            ModelNotFoundError: A part is missing.
            ModelMismatchError: A part is another network, or its metadata are incomplete.
        """
        self._network = load_face_network(trunk, "landmarks", has_planar_maps=True)
        self._lips, facts = load_inner_network(lips, "landmarks")
        try:
            self._points = np.array(facts["points"].split(), np.intp)
            self._left, self._right = (int(point) for point in facts["rotation_points"].split())
            self._scale, self._side = float(facts["scale"]), int(facts["crop"])
            self._density = float(facts["features_per_pixel"])
        except (KeyError, ValueError) as error:
            raise ModelMismatchError(f"{lips}: metadata of the lips head: {error}") from error

    @property
    def digest(self) -> str:
        """Hex SHA-256 that changes with either part."""
        parts = f"attention\n{self._network.digest}\n{self._lips.digest}"
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def lips(self) -> NDArray[np.intp]:
        """Numbers of the points that are read exactly."""
        return self._points

    def _read(self, picture: Frame) -> tuple[float, Landmarks]:
        outputs = self._network(picture[None])
        score, points = read_outputs(outputs)
        features = next(output for output in outputs if output.ndim == 4 and output.shape[1] > 1)
        to_map = self._crop_to_map(points * self._density)
        crop = cut_maps(features[0], to_map, self._side)
        # The head answers in pixels of the picture's scale, not of the feature map's.
        refined = self._lips(crop[None])[0].reshape(-1, 2) * self._density
        lips = (refined @ to_map[:, :2].T + self._origin(to_map)) / self._density
        points = points.copy()
        points[self._points] = lips
        return score, points

    def _crop_to_map(self, points: Landmarks) -> NDArray[np.float64]:
        """Give the map from crop to feature map, ``(2, 3)``, pixel centres at whole numbers."""
        across = points[self._right] - points[self._left]
        length = float(np.hypot(*across))
        cosine, sine = (across / max(length, 1e-6)).tolist()
        turn = np.array([[cosine, -sine], [sine, cosine]])
        level = points[self._points] @ turn
        low, high = level.min(axis=0), level.max(axis=0)
        axes = turn * (self._scale * (high - low) / self._side)
        centre = turn @ ((low + high) / 2)
        origin = centre - axes @ np.full(2, self._side / 2)
        # The network counts a pixel from its corner, OpenCV from its centre.
        return np.hstack([axes, (origin + axes @ np.full(2, 0.5) - 0.5)[:, None]])

    @staticmethod
    def _origin(to_map: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give where the crop's corner lies in the feature map."""
        origin: NDArray[np.float64] = to_map[:, 2] - to_map[:, :2] @ np.full(2, 0.5) + 0.5
        return origin


def cut_maps(
    features: NDArray[np.float32], to_map: NDArray[np.float64], side: int
) -> NDArray[np.float32]:
    """Cut a square out of feature maps, bilinear, zero outside.

    Args:
        features: float32 ``(c, h, w)``.
        to_map: From pixels of the square to those of the maps, ``(2, 3)``; centres are whole.
        side: Pixels along a side of the square.

    Returns:
        float32 ``(side, side, c)``.
    """
    count, height, width = features.shape
    x, y = np.indices((side, side))[::-1].reshape(2, -1)
    places = to_map[:, :2] @ np.stack([x, y]) + to_map[:, 2:]
    corner = np.floor(places)
    across, down = (places - corner).astype(np.float32)
    columns, rows = (
        corner.astype(np.intp)[:, None] + np.array([[0, 1, 0, 1], [0, 0, 1, 1]])[..., None]
    )
    weights = np.stack([1 - across, across] * 2) * np.repeat([1 - down, down], 2, axis=0)
    weights *= (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    inside = rows.clip(0, height - 1) * width + columns.clip(0, width - 1)
    values = np.take(features.reshape(count, -1), inside, axis=1)
    cut = np.einsum("cks,ks->sc", values, weights).reshape(side, side, count)
    return np.asarray(cut, np.float32)
