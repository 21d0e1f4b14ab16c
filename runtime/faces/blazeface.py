"""BlazeFace: find faces in a picture, small ones by looking closer.

Network: BlazeFace short range (Bazarevsky et al. 2019) from MediaPipe; anchors, decoding and the
meaning of the six points follow its model card.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime import boxes
from runtime.boxes import BoxArray
from runtime.faces.compiled import load_face_network
from runtime.faces.counters import counters
from runtime.types import Frame

INPUT_SIDE = 128
#: Grid step in pixels and anchors per cell of the network's two output grids.
GRIDS = ((8, 2), (16, 6))
#: Faces that overlap a better one by more than this are the same face.
SAME_FACE_OVERLAP = 0.3
#: Lowest score of a face.
SCORE_FLOOR = 0.5
#: How often the picture may be halved into tiles when no face is found in the whole of it.
DEEPEST_ZOOM = 2


class FaceGuess(NamedTuple):
    """A face as BlazeFace sees it, in pixels.

    Attributes:
        box: float64 ``(4,)`` corners, from the brows to the chin, may leave the picture.
        points: float64 ``(6, 2)``: eyes (left in the picture first), nose, mouth, ears.
        score: 0 to 1.
    """

    box: NDArray[np.float64]
    points: NDArray[np.float64]
    score: float


class BlazeFace:
    """Finds faces in one picture; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._network = load_face_network(path, "detector", mean=127.5, scale=127.5)
        self._anchors = _anchors()

    @property
    def digest(self) -> str:
        """SHA-256 of the network."""
        return self._network.digest

    def find(self, frame: Frame, *, deepest_zoom: int = DEEPEST_ZOOM) -> list[FaceGuess]:
        """Find the faces of a picture.

        Args:
            frame: uint8 ``(h, w, 3)``, BGR.
            deepest_zoom: Where nothing is found, look again at tiles of half the size, so often.

        Returns:
            Best first; empty without a face.
        """
        for zoom in range(deepest_zoom + 1):
            if zoom and max(frame.shape[:2]) >> zoom < INPUT_SIDE // 2:
                break
            guesses = self._find_in_tiles(frame, zoom)
            if guesses:
                return guesses
        return []

    def best_score(self, frame: Frame) -> float:
        """Give the score of the most face-like place of a whole picture, however low."""
        scores, _ = self._run(_letterbox(frame)[0])
        return float(scores.max())

    def _find_in_tiles(self, frame: Frame, zoom: int) -> list[FaceGuess]:
        found: list[FaceGuess] = []
        for x, y, side in _tiles(frame.shape[1], frame.shape[0], zoom):
            tile = frame[y : y + side, x : x + side]
            found.extend(self._find_in(tile, np.array([x, y], np.float64)))
        if not found:
            return []
        corners = np.stack([guess.box for guess in found])
        scores = np.array([guess.score for guess in found])
        return [found[row] for row in boxes.suppress_overlaps(corners, scores, SAME_FACE_OVERLAP)]

    def _find_in(self, tile: Frame, origin: NDArray[np.float64]) -> list[FaceGuess]:
        picture, shift, scale = _letterbox(tile)
        scores, places = self._run(picture)
        good = np.flatnonzero(scores >= SCORE_FLOOR)
        if not good.size:
            return []
        places = (places[good] - shift) / scale + origin
        half = (places[:, 1] - places[:, 0]) / 2
        corners: BoxArray = np.hstack([places[:, 0] - half, places[:, 0] + half])
        kept = boxes.suppress_overlaps(corners, scores[good], SAME_FACE_OVERLAP)
        return [FaceGuess(corners[row], places[row, 2:], float(scores[good[row]])) for row in kept]

    def _run(self, picture: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give scores ``(896,)`` and points ``(896, 8, 2)``: centre, centre + size, six points."""
        counters.add(detections=1)
        first, second = self._network(picture[None])
        raw, logits = (first, second) if first.shape[-1] == 16 else (second, first)
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1).astype(np.float64), -80, 80)))
        places = raw.reshape(-1, 8, 2).astype(np.float64)
        places[:, 1] += places[:, 0]
        return scores, places + self._anchors[:, None]


def _anchors() -> NDArray[np.float64]:
    """Give the centres of the anchors in pixels of the network's input, ``(896, 2)``."""
    grids = []
    for step, repeats in GRIDS:
        ticks = (np.arange(INPUT_SIDE // step) + 0.5) * step
        x, y = np.meshgrid(ticks, ticks)
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


def _letterbox(tile: Frame) -> tuple[Frame, NDArray[np.float64], float]:
    """Fit a picture into the network's square; give the square, its shift and its scale."""
    height, width = tile.shape[:2]
    scale = INPUT_SIDE / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(tile, size_wh, interpolation=method)
    x, y = (INPUT_SIDE - size_wh[0]) // 2, (INPUT_SIDE - size_wh[1]) // 2
    picture = np.full((INPUT_SIDE, INPUT_SIDE, 3), 127, np.uint8)
    picture[y : y + size_wh[1], x : x + size_wh[0]] = small
    return picture, np.array([x, y], np.float64), scale


def _tiles(width: int, height: int, zoom: int) -> list[tuple[int, int, int]]:
    """Cover a picture with half-overlapping squares of its longer side halved ``zoom`` times."""
    side = max(width, height) >> zoom
    if not zoom:
        return [(0, 0, side)]
    columns = _starts(width, side)
    return [(x, y, side) for y in _starts(height, side) for x in columns]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side / 2))) + 1
    return [round(start) for start in np.linspace(0, length - side, count).tolist()]
