"""What every face detector offers, and the counters that prove when none was asked."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.boxes import Pads
from runtime.types import Detection, Frame


@dataclass(frozen=True, slots=True)
class DetectionCount:
    """How often the face networks have run since the process started.

    Attributes:
        detections: Runs of a network that searches a picture for faces.
        meshes: Runs of a network that reads landmarks of a known face.
    """

    detections: int
    meshes: int


class DetectionCounters:
    """Counts runs of the face networks; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._detections = 0
        self._meshes = 0

    @property
    def detections(self) -> int:
        """Runs of a network that searches a picture for faces."""
        return self._detections

    def add(self, *, detections: int = 0, meshes: int = 0) -> None:
        """Count runs."""
        with self._lock:
            self._detections += detections
            self._meshes += meshes

    def snapshot(self) -> DetectionCount:
        """Give both counts of one moment."""
        with self._lock:
            return DetectionCount(self._detections, self._meshes)


#: Every detector of the process counts here: a request served from the cache leaves it unchanged.
counters = DetectionCounters()


class FaceDetector(Protocol):
    """Finds faces in pictures; instances are shared between threads."""

    @property
    def digest(self) -> str:
        """Changes whenever other boxes may come out: networks, version of the arithmetic."""

    @property
    def included_pads(self) -> Pads:
        """The pads that its boxes already hold: asking for these adds nothing."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Find the faces of unrelated pictures.

        Args:
            frames: uint8 ``(h, w, 3)``, BGR; sizes may differ.

        Returns:
            One list per picture, best face first, empty without a face.
        """

    def track(self, frames: Iterable[Frame]) -> Iterator[list[Detection]]:
        """Follow faces through the frames of one video.

        Args:
            frames: uint8 ``(h, w, 3)``, BGR, in order, all of one size.

        Yields:
            One list per frame; ``face_id`` names the same face in every frame, counted by size
            at first appearance.
        """
