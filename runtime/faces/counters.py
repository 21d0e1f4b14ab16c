"""Counters that prove when no face network was asked."""

import threading
from dataclasses import dataclass


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
