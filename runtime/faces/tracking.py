"""The default detector: BlazeFace finds faces, FaceMesh follows them from frame to frame."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime import boxes
from runtime.boxes import Pads
from runtime.crops import UPRIGHT_LIMIT
from runtime.faces import facemesh, mesh_points
from runtime.faces.attention_mesh import AttentionMesh
from runtime.faces.between import SPAN, is_near, look, readings_between
from runtime.faces.blazeface import DEEPEST_ZOOM, INPUT_SIDE, BlazeFace, FaceGuess
from runtime.faces.facemesh import FaceMesh, Roi
from runtime.faces.following import MeshPair, Reading
from runtime.faces.shots import ShotDetector
from runtime.pyramid import Pyramid, View
from runtime.types import Detection, Frame, Landmarks

#: Part of the digest: raise it when the same networks give other boxes.
VERSION = "4"
#: Frames between two looks for new faces while all known ones are followed; a multiple of ``SPAN``.
SEARCH_INTERVAL = 12
#: Frames between two looks at halves and at quarters while no face is known; a look at the whole
#: picture costs one run of the network, halves 6 more, quarters about 28 more.
HALVES_INTERVAL = 3
DEEP_INTERVAL = 12
#: Two boxes that overlap by more than this are one face.
SAME_FACE_OVERLAP = 0.3
#: Frames after which a lost face gives up its number to nobody.
MEMORY_FRAMES = 250
#: Faces followed at most, largest first.
MOST_FACES = 8


class BlazeFaceMesh:
    """Finds and follows faces with landmarks; safe to share between threads."""

    def __init__(
        self, blazeface: Path, facemesh: Path, *, lips: AttentionMesh | None = None
    ) -> None:
        """Read the networks from their IR files.

        Args:
            blazeface: Finds faces.
            facemesh: Follows them and reads their landmarks.
            lips: Reads the lips once more, exactly; ``None`` keeps the plain mesh's.
        """
        self.blazeface = BlazeFace(blazeface)
        self.facemesh = FaceMesh(facemesh)
        self.lips = lips

    @property
    def digest(self) -> str:
        """Changes with the networks and with this module's arithmetic."""
        lips = "" if self.lips is None else self.lips.digest
        parts = (VERSION, self.blazeface.digest, self.facemesh.digest, lips)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def frames_mesh(self) -> bool:
        """True: the box is the mesh framing."""
        return True

    @property
    def included_pads(self) -> Pads:
        """Wav2Lip's default pads: the mesh framing stands for them."""
        return Pads()

    def best_score(self, frame: Frame) -> float:
        """Give the score of the most face-like place of a picture, however low."""
        return self.blazeface.best_score(frame)

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Find the faces of unrelated pictures, see ``FaceDetector``."""
        return [
            sorted(_Tracker(self, passes=3).push([picture])[0], key=lambda face: -face.score)
            for picture in map(Pyramid, frames)
        ]

    def track(self, pictures: Iterable[Pyramid]) -> Iterator[list[Detection]]:
        """Follow faces through one video, see ``FaceDetector``."""
        tracker, upcoming = _Tracker(self, passes=2), iter(pictures)
        while group := list(itertools.islice(upcoming, tracker.reach)):
            yield from tracker.push(group)


@dataclass(slots=True)
class _Face:
    """A face being followed."""

    face_id: int
    reading: Reading
    last_seen: int

    @property
    def landmarks(self) -> Landmarks:
        return self.reading.landmarks

    @property
    def box(self) -> tuple[float, float, float, float]:
        low, high = mesh_points.extent(self.landmarks)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


class _LostSightError(Exception):
    """A face is not where it should be."""


class _Tracker:
    """The state of one video: push frames, get their faces."""

    def __init__(self, networks: BlazeFaceMesh, *, passes: int) -> None:
        self._blazeface = networks.blazeface
        self._meshes = MeshPair(networks.facemesh, networks.lips)
        self._passes = passes
        self._shots = ShotDetector()
        self._faces: list[_Face] = []
        self._lost: list[_Face] = []
        #: The picture that faces were read in last.
        self._last: Pyramid
        self._index = -1
        self._next_id = 0

    @property
    def reach(self) -> int:
        """Frames that may be pushed at once."""
        return SPAN - self._index % SPAN if self._faces else 1

    def push(self, pictures: Sequence[Pyramid]) -> list[list[Detection]]:
        cuts = [self._shots.is_cut(picture) for picture in pictures]
        if len(pictures) > 1 and not any(cuts):
            try:
                return self._leap(pictures)
            except _LostSightError:
                pass  # Frame by frame it is lost where it goes, and found where it comes back.
        return [
            self._step(picture, is_cut=cut) for picture, cut in zip(pictures, cuts, strict=True)
        ]

    def _step(self, picture: Pyramid, *, is_cut: bool) -> list[Detection]:
        self._index += 1
        if is_cut:
            self._forget_places()
        return self._finish(picture, lost=self._follow(picture))

    def _leap(self, pictures: Sequence[Pyramid]) -> list[list[Detection]]:
        """Follow all known faces to the last picture, and say where they are in those between."""
        *between, last = pictures
        ways = [self._way(face.reading, between, last) for face in self._faces]
        index, numbers = self._index + len(pictures), [face.face_id for face in self._faces]
        faces = [_Face(number, way[-1], index) for number, way in zip(numbers, ways, strict=True)]
        if any(_is_known(face, faces[:place]) for place, face in enumerate(faces)):
            raise _LostSightError
        self._faces, self._index = faces, index
        found = [
            [_detection(*face, last.size) for face in zip(numbers, readings, strict=True)]
            for readings in zip(*(way[:-1] for way in ways), strict=True)
        ]
        return [*found, self._finish(last, lost=False)]

    def _way(self, before: Reading, between: Sequence[Pyramid], last: Pyramid) -> list[Reading]:
        after = self._read(last, before)
        if not is_near(before, after):
            raise _LostSightError
        first, then = look(self._last, before), look(last, after)
        return [*readings_between(between, first, then, self._read), after]

    def _read(self, picture: Pyramid, before: Reading) -> Reading:
        reading = self._meshes.follow(picture, before)
        if not _is_believed(reading):
            raise _LostSightError
        return reading

    def _finish(self, picture: Pyramid, *, lost: bool) -> list[Detection]:
        """Look for new faces where that is due, and list all there are."""
        self._last = picture
        if lost or self._is_search_due():
            self._add(self._search(picture), max(picture.size))
        return [_detection(face.face_id, face.reading, picture.size) for face in self._faces]

    def _forget_places(self) -> None:
        """Start a new shot: numbers are handed on by size, as nothing else is known."""
        self._lost = sorted(self._faces + self._lost, key=_negative_area)
        for face in self._lost:
            face.reading = Reading(0.0, np.full_like(face.landmarks, np.nan))
        self._faces = []

    def _is_search_due(self) -> bool:
        return not self._faces or self._index % SEARCH_INTERVAL == 0

    def _follow(self, picture: Pyramid) -> bool:
        """Read every known face again; tell whether one was lost."""
        kept: list[_Face] = []
        for face in self._faces:
            reading = self._meshes.follow(picture, face.reading)
            if _is_believed(reading):
                face.reading, face.last_seen = reading, self._index
                if not _is_known(face, kept):
                    kept.append(face)
                    continue
            self._lost.append(face)
        lost = len(kept) < len(self._faces)
        self._faces = kept
        return lost

    def _search(self, picture: Pyramid) -> list[_Face]:
        """Look for faces that are not followed yet; largest first."""
        zoom = 0
        if not self._faces and self._index % HALVES_INTERVAL == 0:
            zoom = DEEPEST_ZOOM if self._index % DEEP_INTERVAL == 0 else 1
        view = picture.near(max(picture.size), INPUT_SIDE << zoom)
        found: list[_Face] = []
        for guess in self._blazeface.find(view.frame, deepest_zoom=zoom):
            if _overlaps(view.outside(guess.box.reshape(2, 2)).reshape(4), self._faces):
                continue
            roi = _roi_of_guess(guess, view)
            face = _Face(-1, self._meshes.find(picture, roi, passes=self._passes), self._index)
            if face.reading.score < facemesh.SCORE_FLOOR or _is_known(face, self._faces + found):
                continue
            face.reading = self._meshes.begin(picture, face.reading)
            found.append(face)
        return sorted(found, key=_negative_area)

    def _add(self, found: list[_Face], reach: int) -> None:
        self._lost = [face for face in self._lost if self._index - face.last_seen <= MEMORY_FRAMES]
        for face in found[: MOST_FACES - len(self._faces)]:
            face.face_id = self._number_for(face, reach)
            self._faces.append(face)

    def _number_for(self, face: _Face, reach: int) -> int:
        """Give back the number of a face lost near this place, else a new one."""
        best = min(self._lost, key=lambda lost: _distance(lost, face, reach), default=None)
        if best is not None and _distance(best, face, reach) < 1.0:
            self._lost.remove(best)
            return best.face_id
        self._next_id += 1
        return self._next_id - 1


def _roi_of_guess(guess: FaceGuess, view: View) -> Roi:
    """Give where to look in the picture for what was found in a view of it."""
    eyes = guess.points[1] - guess.points[0]
    roll = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    x, y = view.outside((guess.box[:2] + guess.box[2:]) / 2).tolist()
    side = facemesh.ROI_SCALE * float((guess.box[2:] - guess.box[:2]).max())
    return Roi(x, y, view.step * side, roll)


def _detection(number: int, reading: Reading, size: tuple[int, int]) -> Detection:
    roll = mesh_points.roll_angle(reading.landmarks)
    angle = roll if abs(roll) > UPRIGHT_LIMIT else 0.0
    box = boxes.clip(mesh_points.mesh_face_box(reading.landmarks, size, angle), size)
    return Detection(box, reading.score, reading.landmarks, roll, number, reading.was_read)


def _is_believed(reading: Reading) -> bool:
    """Tell whether this is a face, and its mesh still has the extent of one."""
    low, high = mesh_points.extent(reading.landmarks)
    return reading.score >= facemesh.SCORE_FLOOR and bool((high - low).min() >= 8.0)


def _is_known(face: _Face, others: list[_Face]) -> bool:
    return _overlaps(np.array(face.box), others)


def _overlaps(box: NDArray[np.float64], others: list[_Face]) -> bool:
    if not others:
        return False
    known = np.array([other.box for other in others])
    return bool((boxes.iou_matrix(box[None], known) > SAME_FACE_OVERLAP).any())


def _negative_area(face: _Face) -> float:
    low_x, low_y, high_x, high_y = face.box
    return -((high_x - low_x) * (high_y - low_y))


def _distance(lost: _Face, face: _Face, reach: int) -> float:
    """Give how unlikely two faces are one: below 1 for near and of similar size.

    A face of an earlier shot has no place; it fits any face, but worse than one with a place.
    """
    if np.isnan(lost.landmarks[0, 0]):
        return 0.999
    before, now = np.array([lost.box]), np.array([face.box])
    gap = np.abs(boxes.to_centres(before) - boxes.to_centres(now))[0]
    side = max(np.sqrt(-_negative_area(lost)), np.sqrt(-_negative_area(face)), 0.02 * reach)
    return float(gap.max() / (1.5 * side))
