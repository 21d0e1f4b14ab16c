"""What every face detector offers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from runtime.boxes import Pads
from runtime.faces.facemesh import Roi
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox, Frame, Landmarks


class MeshReader(Protocol):
    """Reads the 468 landmarks of one face; instances are shared between threads."""

    @property
    def digest(self) -> str:
        """Changes whenever other landmarks may come out."""

    def landmarks(self, image: Frame, roi: Roi | FaceBox) -> tuple[float, Landmarks]:
        """Read landmarks once, see ``FaceMesh``."""

    def settle(self, image: Frame, roi: Roi, *, passes: int = 3) -> tuple[float, Landmarks]:
        """Read landmarks until the place has settled, see ``FaceMesh``."""


class FaceDetector(Protocol):
    """Finds faces in pictures; instances are shared between threads."""

    @property
    def digest(self) -> str:
        """Changes whenever other boxes may come out: networks, version of the arithmetic."""

    @property
    def facemesh(self) -> MeshReader:
        """Reads the landmarks of a face whose box is known."""

    @property
    def frames_mesh(self) -> bool:
        """Whether its boxes follow from the landmarks (and may turn with the head)."""

    @property
    def included_pads(self) -> Pads:
        """The pads that its boxes already hold: asking for these adds nothing."""

    def best_score(self, frame: Frame) -> float:
        """Give the score of the most face-like place, however low; for messages."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Find the faces of unrelated pictures.

        Args:
            frames: uint8 ``(h, w, 3)``, BGR; sizes may differ.

        Returns:
            One list per picture, best face first, empty without a face.
        """

    def track(self, pictures: Iterable[Pyramid]) -> Iterator[list[Detection]]:
        """Follow faces through the frames of one video.

        Args:
            pictures: In order, all of one size.

        Yields:
            One list per frame; ``face_id`` names the same face in every frame, counted by size
            at first appearance.
        """
