"""Number the faces of a video for detectors that look at every frame anew."""

from dataclasses import replace

import numpy as np

from runtime import boxes
from runtime.faces.shots import ShotDetector
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox

#: Boxes of consecutive frames that overlap by more than this are one face.
SAME_FACE_OVERLAP = 0.3


class FaceNumbers:
    """Gives the same number to the same face, by overlap with where it was last."""

    def __init__(self) -> None:
        self._places: dict[int, FaceBox] = {}
        self._shots = ShotDetector()

    def push(self, picture: Pyramid, faces: list[Detection]) -> list[Detection]:
        """Number the faces of the next frame.

        Args:
            picture: The frame, for noticing shot changes.
            faces: Its faces.

        Returns:
            The faces with their numbers, largest first.
        """
        if self._shots.is_cut(picture):
            self._places = dict.fromkeys(self._places, FaceBox(0, 0, 0, 0))
        free = dict(self._places)
        ordered = sorted(faces, key=lambda face: -face.box.width * face.box.height)
        numbered = [replace(face, face_id=self._number(face, free)) for face in ordered]
        self._places.update({face.face_id: face.box for face in numbered})
        return numbered

    def _number(self, face: Detection, free: dict[int, FaceBox]) -> int:
        """Take the number of the best overlap, or one without a place, or a new one."""
        if free:
            ids = list(free)
            places = np.array([free[number] for number in ids], np.float64)
            overlaps = boxes.iou_matrix(np.array([face.box], np.float64), places)[0]
            best = ids[int(overlaps.argmax())]
            if overlaps.max() > SAME_FACE_OVERLAP:
                del free[best]
                return best
        homeless = [number for number, place in free.items() if place.width == 0]
        if homeless:
            del free[homeless[0]]
            return homeless[0]
        number = len(self._places)
        self._places[number] = face.box
        return number
