"""S3FD: the detector of Wav2Lip itself, for users who need its very boxes.

Network: Zhang et al. 2017. Anchors, decoding, thresholds and truncation to whole pixels follow the
public PyTorch code, so that equal weights give equal boxes.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime import boxes
from runtime.boxes import BoxArray, Pads
from runtime.faces import facemesh, mesh_points
from runtime.faces.compiled import load_face_network
from runtime.faces.counters import counters
from runtime.faces.facemesh import FaceMesh, Roi
from runtime.faces.identity import FaceNumbers
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox, Frame

#: Part of the digest: raise it when the same network gives other boxes.
VERSION = "1"
#: Pixels between anchors of the six levels, finest first; an anchor is four times as large.
STRIDES = (4, 8, 16, 32, 64, 128)
ANCHOR_STRIDES = 4
#: Factors on raw offsets: of the centre, and of the logarithm of the size.
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
#: Lowest score that takes part in suppression, and lowest score of a face.
CANDIDATE_FLOOR, SCORE_FLOOR = 0.05, 0.5
SUPPRESSION_OVERLAP = 0.3
#: Frames that go through the network together.
BATCH = 4

#: Score ``(n, h, w)`` and raw offsets ``(n, 4, h, w)`` of one level.
Level = tuple[NDArray[np.float32], NDArray[np.float32]]


class S3FDDetector:
    """Finds faces as Wav2Lip does; safe to share between threads."""

    def __init__(self, s3fd: Path, facemesh: Path, *, threads: int = 0) -> None:
        """Read the networks.

        Args:
            s3fd: IR with inputs uint8 ``(n, h, w, 3)`` BGR and outputs ``score_i``, ``offset_i``.
            facemesh: Reads the landmarks, which S3FD does not.
            threads: Threads of the detector; 0 for all.
        """
        self._network = load_face_network(s3fd, "detector", threads=threads)
        self.facemesh = FaceMesh(facemesh)

    @property
    def digest(self) -> str:
        """Changes with the networks and with this module's arithmetic."""
        parts = ("s3fd", VERSION, self._network.digest, self.facemesh.digest)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def frames_mesh(self) -> bool:
        """False: the box is S3FD's own."""
        return False

    @property
    def included_pads(self) -> Pads:
        """None: pads are added as Wav2Lip adds them."""
        return Pads(0, 0, 0, 0)

    def best_score(self, frame: Frame) -> float:
        """Give the score of the most face-like place of a picture, however low."""
        return max(float(score.max()) for score, _ in self._levels(frame[None]))

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Find the faces of unrelated pictures, see ``FaceDetector``."""
        return [self._with_landmarks(frame, self._boxes(frame[None])[0]) for frame in frames]

    def track(self, pictures: Iterable[Pyramid]) -> Iterator[list[Detection]]:
        """Find the faces of one video and number them, see ``FaceDetector``."""
        numbers = FaceNumbers()
        upcoming = iter(pictures)
        while batch := list(itertools.islice(upcoming, BATCH)):
            boxes_of_each = self._boxes(np.stack([picture.whole for picture in batch]))
            for picture, found in zip(batch, boxes_of_each, strict=True):
                yield numbers.push(picture, self._with_landmarks(picture.whole, found))

    def _boxes(self, frames: NDArray[np.uint8]) -> list[BoxArray]:
        counters.add(detections=len(frames))
        return decode_s3fd(self._levels(frames))

    def _levels(self, frames: NDArray[np.uint8]) -> list[Level]:
        outputs = self._network(frames)
        return list(zip(outputs[::2], outputs[1::2], strict=True))

    def _with_landmarks(self, frame: Frame, found: BoxArray) -> list[Detection]:
        return [self._detection(frame, row) for row in found]

    def _detection(self, frame: Frame, row: NDArray[np.float64]) -> Detection:
        corners = np.clip(row[:4], 0, None).astype(int).tolist()
        box = boxes.clip(FaceBox(*corners), (frame.shape[0], frame.shape[1]))
        score, landmarks = self.facemesh.settle(frame, Roi.of_box(box, 1.25), passes=2)
        if score < facemesh.SCORE_FLOOR:
            return Detection(box, float(row[4]), mesh_points.typical_landmarks(box))
        return Detection(box, float(row[4]), landmarks, mesh_points.roll_angle(landmarks))


def decode_s3fd(levels: Sequence[Level]) -> list[BoxArray]:
    """Turn the network's outputs into faces.

    Args:
        levels: Score (probability of a face) and raw offsets of the six levels, finest first.

    Returns:
        For each picture float64 ``(k, 5)``: corners, unclipped, and score; best first.
    """
    candidates = [
        _candidates(score, offset, stride)
        for (score, offset), stride in zip(levels, STRIDES, strict=True)
    ]
    pictures = np.concatenate([index for index, _ in candidates])
    rows = np.concatenate([rows for _, rows in candidates])
    return [_suppressed(rows[pictures == index]) for index in range(len(levels[0][0]))]


def _candidates(
    score: NDArray[np.float32], offset: NDArray[np.float32], stride: int
) -> tuple[NDArray[np.intp], BoxArray]:
    """Decode the promising anchors of one level: their pictures and ``(k, 5)`` rows."""
    picture, y, x = np.nonzero(score > CANDIDATE_FLOOR)
    raw = offset[picture, :, y, x].astype(np.float64)
    side = float(stride * ANCHOR_STRIDES)
    anchors = stride / 2 + np.stack([x, y], axis=1) * float(stride)
    centre = anchors + raw[:, :2] * CENTRE_VARIANCE * side
    size = side * np.exp(raw[:, 2:] * SIZE_VARIANCE)
    low = centre - size / 2
    return picture, np.hstack([low, low + size, score[picture, y, x][:, None]])


def _suppressed(rows: BoxArray) -> BoxArray:
    # The public code counts the last pixel as inside, hence one more on the far edges.
    inclusive = rows[:, :4] + np.array([0.0, 0.0, 1.0, 1.0])
    kept = rows[boxes.suppress_overlaps(inclusive, rows[:, 4], SUPPRESSION_OVERLAP)]
    faces: BoxArray = kept[kept[:, 4] > SCORE_FLOOR]
    return faces
