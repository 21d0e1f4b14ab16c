"""Tell faces apart over samples of a video that may lie seconds apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from avatar_cache.codec import encode_thumbnail
from avatar_cache.sampling import Sample
from runtime import boxes
from runtime.faces import mesh_points
from runtime.types import Detection, FaceBox, Frame
from runtime.video import VideoInfo

#: Faces further apart than their own size in consecutive samples are told apart.
SAME_FACE_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class FaceSighting:
    """One face of a picture or video.

    Attributes:
        face_id: Number by size at first appearance, 0-based.
        box: Its box where it was first seen.
        ranges_s: Times at which it is seen, ``(start, end)`` in seconds.
        score: Best score, 0 to 1.
        angle: Strongest roll in degrees.
        yaw: Strongest turn of the head, 0 to 1.
        thumbnail: JPEG of the face.
    """

    face_id: int
    box: FaceBox
    ranges_s: tuple[tuple[float, float], ...]
    score: float
    angle: float
    yaw: float
    thumbnail: bytes


@dataclass(slots=True)
class _Sighted:
    """A face while samples come in."""

    face_id: int
    first: FaceBox
    last: FaceBox
    seen: list[int]
    score: float
    angle: float
    yaw: float
    thumbnail: bytes


class Sightings:
    """Tells faces apart over samples that may lie seconds apart."""

    def __init__(self, info: VideoInfo) -> None:
        self.times_s: list[float] = []
        self._end_s = info.duration_s
        self._faces: list[_Sighted] = []

    def push(self, sample: Sample, found: list[Detection]) -> None:
        """Take the faces of the next sample."""
        index = len(self.times_s)
        self.times_s.append(sample.time_s)
        free = list(self._faces)
        for face in sorted(found, key=lambda face: -face.box.width * face.box.height):
            known = self._match(face, free)
            if known is None:
                known = self._new(face, sample.frame)
            else:
                free.remove(known)
            _update(known, face, index)

    def faces(self) -> tuple[FaceSighting, ...]:
        """Give all faces seen."""
        return tuple(
            FaceSighting(
                face.face_id,
                face.first,
                tuple(self._ranges(face.seen)),
                round(face.score, 3),
                round(face.angle, 1),
                round(face.yaw, 2),
                face.thumbnail,
            )
            for face in self._faces
        )

    def gaps(self) -> list[tuple[float, float]]:
        """Give the times without any face."""
        seen = {index for face in self._faces for index in face.seen}
        return list(self._ranges([i for i in range(len(self.times_s)) if i not in seen]))

    def _match(self, face: Detection, free: list[_Sighted]) -> _Sighted | None:
        """Find the known face at this place, or the only one left in a picture with one face."""
        overlaps = [boxes.iou(face.box, known.last) for known in free]
        if overlaps and max(overlaps) > SAME_FACE_OVERLAP:
            return free[int(np.argmax(overlaps))]
        unseen = [known for known in free if len(self._faces) == 1]
        return unseen[0] if unseen else None

    def _new(self, face: Detection, frame: Frame) -> _Sighted:
        size = (frame.shape[0], frame.shape[1])
        around = boxes.clip(boxes.square(face.box, 1.4), size)
        picture = encode_thumbnail(frame[around.y1 : around.y2, around.x1 : around.x2])
        new = _Sighted(len(self._faces), face.box, face.box, [], 0.0, 0.0, 0.0, picture)
        self._faces.append(new)
        return new

    def _ranges(self, indices: list[int]) -> Iterator[tuple[float, float]]:
        """Turn sample numbers into times: a sample stands for the time until the next one."""
        present = np.zeros(len(self.times_s), np.bool_)
        present[indices] = True
        ends = [*self.times_s[1:], max(self._end_s, self.times_s[-1])]
        for first, last in boxes.runs(present):
            yield round(self.times_s[first], 2), round(ends[last - 1], 2)


def _update(known: _Sighted, face: Detection, index: int) -> None:
    known.seen.append(index)
    known.last = face.box
    known.score = max(known.score, face.score)
    if abs(face.angle) > abs(known.angle):
        known.angle = face.angle
    if len(face.landmarks) == mesh_points.POINT_COUNT:
        known.yaw = max(known.yaw, mesh_points.yaw_share(face.landmarks))
