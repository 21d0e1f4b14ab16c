"""Laws of following a face with two meshes, on readers that see what they are told."""

import numpy as np
import pytest

from runtime.faces import mesh_points
from runtime.faces.facemesh import Roi
from runtime.faces.following import PLAIN_INTERVAL, MeshPair, offset_between, shifted
from runtime.pyramid import Pyramid
from runtime.types import FaceBox

LIPS = np.array([13, 14, 61, 291])
PICTURE = Pyramid(np.zeros((361, 481, 3), np.uint8))
#: Odd sides are not halved: all readers count the pixels of the picture itself.
FACE = FaceBox(150, 90, 290, 270)


def face(frame):
    """The face in a frame: it moves, turns and comes nearer."""
    points = mesh_points.typical_landmarks(FACE).astype(np.float64) - 200
    turned = mesh_points.turn_points(points[None], np.array([1.5 * frame]))[0]
    return ((1 + 0.01 * frame) * turned + 200 + 2 * frame).astype(np.float32)


def seen_otherwise(points):
    """What a reader sees that takes every face for wider and its outline for lower."""
    return shifted(points, np.array([[0.02, 0.01]]) * np.sign(face(0)[:, :1] - 220))


class Reader:
    """Answers with the points and score of the frame that is on."""

    lips = LIPS

    def __init__(self, see):
        self.see, self.score, self.frame, self.looks = see, 0.9, 0, 0

    def landmarks(self, _image, _roi):
        self.looks += 1
        return self.score, self.see(face(self.frame))

    def settle(self, image, roi, *, passes):
        return self.landmarks(image, roi)


@pytest.fixture
def plain():
    return Reader(lambda points: points)


@pytest.fixture
def exact():
    return Reader(seen_otherwise)


def followed(plain, exact, frames):
    """Follow the face; yields the frame's number and what is known in it."""
    pair = MeshPair(plain, exact)
    reading = pair.begin(PICTURE, pair.find(PICTURE, Roi.of_box(FACE), passes=1))
    yield 0, reading
    for frame in range(1, frames):
        plain.frame = frame
        if exact is not None:
            exact.frame = frame
        reading = pair.follow(PICTURE, reading)
        yield frame, reading


def test_lips_are_the_exact_meshs_and_all_else_the_plain_meshs_in_every_frame(plain, exact):
    others = np.setdiff1d(np.arange(468), LIPS)
    for frame, reading in followed(plain, exact, 20):
        points = reading.landmarks
        assert np.array_equal(points[LIPS], seen_otherwise(face(frame))[LIPS])
        # The offset is turned by the roll that the eyes show, which the offset itself moves.
        assert points[others] == pytest.approx(face(frame)[others], abs=0.2)


def test_the_plain_mesh_looks_at_one_frame_of_three(plain, exact):
    assert len(list(followed(plain, exact, 1 + 4 * PLAIN_INTERVAL))) == 1 + 4 * PLAIN_INTERVAL
    assert (plain.looks, exact.looks) == (1 + 4, 1 + 4 * PLAIN_INTERVAL)


def test_one_mesh_alone_reads_every_frame(plain):
    for frame, reading in followed(plain, None, 7):
        assert reading.landmarks == pytest.approx(face(frame), abs=1e-3)
    assert plain.looks == 7


def test_a_face_that_only_the_plain_mesh_misses_is_lost_by_its_next_look(plain, exact):
    lost = []
    for frame, reading in followed(plain, exact, 12):
        plain.score = 0.1 if frame >= 4 else 0.9
        lost.append(reading.score < 0.5)
    assert lost.index(True) <= 5 + PLAIN_INTERVAL


def test_a_face_that_no_mesh_sees_is_lost_at_once(plain, exact):
    for frame, reading in followed(plain, exact, 8):
        assert (reading.score < 0.5) == (frame >= 5)
        plain.score = exact.score = 0.1 if frame >= 4 else 0.9


def test_without_readable_lips_all_points_are_the_plain_meshs(plain, exact):
    exact.score = 0.2
    for frame, reading in followed(plain, exact, 5):
        assert reading.landmarks == pytest.approx(face(frame), abs=1e-3)


@pytest.mark.parametrize("angle", [-40.0, 0.0, 25.0])
def test_an_offset_turns_and_grows_with_the_face(angle):
    points, others = face(0), seen_otherwise(face(0))
    both = np.stack([points, others]).astype(np.float64)
    moved = 1.7 * mesh_points.turn_points(both, np.full(2, angle)) + 30
    there = shifted(moved[0].astype(np.float32), offset_between(points, others))
    # The square is upright to the eyes but bounds the mesh along the picture's sides, so its side
    # changes a little as the face turns.
    assert there - moved[0] == pytest.approx(moved[1] - moved[0], abs=0.15 * 1.7 * 5)
