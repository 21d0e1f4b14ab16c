"""Laws of frames that are not read because they look as the readings around them say."""

import numpy as np
import pytest

from runtime.faces import BlazeFaceMesh, counters, mesh_points
from runtime.faces.between import SPAN, is_near, look, readings_between
from runtime.faces.following import Reading
from runtime.pyramid import Pyramid
from runtime.types import FaceBox
from tests.runtime import faces_toy

FACE = FaceBox(100, 60, 240, 230)


def face(x=0.0, opening=0.0):
    """A typical face, moved to the right and its lower lip lowered, in pixels."""
    points = mesh_points.typical_landmarks(FACE) + np.array([x, 0], np.float32)
    points[list(mesh_points.INNER_LOWER), 1] += opening
    return Reading(0.9, points)


def closed_face(parting=0.0):
    """A face whose lips meet, or are parted by some pixels."""
    reading = face()
    points = reading.landmarks
    points[list(mesh_points.INNER_LOWER)] = points[list(mesh_points.INNER_UPPER)] + [0, parting]
    return reading


def picture(reading):
    """Skin with a few marks, and a dark gap between the inner lips."""
    frame = np.full((301, 401, 3), 150, np.uint8)
    points = np.rint(reading.landmarks).astype(int)
    for x, y in points[list(mesh_points.MOUTH_EDGES)]:
        frame[y - 4 : y + 5, x - 4 : x + 5] = (90, 90, 190)
    left, top = points[mesh_points.INNER_UPPER[0]]
    right, bottom = points[mesh_points.INNER_LOWER[-1]]
    frame[top : bottom + 1, left:right] = (40, 30, 60)
    return Pyramid(frame)


def between(readings, *, look_like=None):
    """Find the readings between the first and the last; tell which frames were read."""
    pictures = [picture(look_like or reading) for reading in readings]
    asked = []

    def read(shown, _expected):
        asked.append(pictures.index(shown))
        return readings[asked[-1]]

    first, last = (look(pictures[place], readings[place]) for place in (0, -1))
    return readings_between(pictures[1:-1], first, last, read), asked


def test_a_head_that_moves_steadily_is_on_its_way_and_not_read():
    truth = [face(x=4.0 * frame) for frame in range(SPAN + 1)]
    found, asked = between(truth)
    assert asked == []
    for reading, expected in zip(found, truth[1:-1], strict=True):
        assert reading.landmarks == pytest.approx(expected.landmarks, abs=1e-3)


@pytest.mark.parametrize("frame", [1, 2, 3])
@pytest.mark.parametrize(("usual", "then"), [(12.0, 0.0), (0.0, 12.0)])
def test_lips_that_close_or_open_for_a_single_frame_are_read(frame, usual, then):
    truth = [face(opening=usual)] * (SPAN + 1)
    truth[frame] = face(opening=then)
    found, asked = between(truth)
    assert frame in asked
    assert found[frame - 1] is truth[frame]


@pytest.mark.parametrize("still_closed", range(SPAN))
@pytest.mark.parametrize("is_backwards", [False, True])
def test_lips_part_and_meet_when_they_do_however_little_is_seen_of_it(still_closed, is_backwards):
    truth = [closed_face(1.5 * (frame > still_closed)) for frame in range(SPAN + 1)]
    truth = truth[::-1] if is_backwards else truth
    found, asked = between(truth, look_like=closed_face())
    openings = [mesh_points.mouth_opening(reading.landmarks) for reading in found]
    assert openings == [mesh_points.mouth_opening(reading.landmarks) for reading in truth[1:-1]]
    assert len(asked) == 2


def test_a_head_that_jerks_and_comes_back_is_read():
    truth = [face(), face(), face(x=9), face(), face()]
    found, asked = between(truth)
    assert 2 in asked
    assert [reading.landmarks[0, 0] - truth[0].landmarks[0, 0] for reading in found] == [0, 9, 0]


def test_a_face_is_near_as_long_as_it_hardly_left_its_place():
    assert is_near(face(), face(x=8))
    assert not is_near(face(), face(x=40))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return BlazeFaceMesh(
        faces_toy.blazeface(folder / "blazeface.xml"), faces_toy.facemesh(folder / "facemesh.xml")
    )


def squares(places):
    """Red squares at these columns, none for ``None``."""
    for x in places:
        frame = np.full((360, 480, 3), 120, np.uint8)
        if x is not None:
            frame[130:230, x - 50 : x + 50] = (20, 20, 230)
        yield Pyramid(frame)


def columns(detector, places):
    found = detector.track(squares(places))
    return [[(face.box.x1 + face.box.x2) / 2 for face in faces] for faces in found]


def readings_of(detector, places):
    before = counters.snapshot().meshes
    assert len(columns(detector, places)) == len(places)
    return counters.snapshot().meshes - before


def test_a_face_at_rest_is_read_in_one_frame_of_a_span(detector):
    first, later = ([200] * (1 + spans * SPAN) for spans in (1, 2))
    assert readings_of(detector, later) == readings_of(detector, first) + 1


def test_a_face_that_is_away_for_some_frames_of_a_span_is_not_made_up(detector):
    places = [200] * 6 + [None] * 2 + [200] * 8
    found = columns(detector, places)
    assert [bool(faces) for faces in found[:6]] == [True] * 6
    assert found[6:8] == [[], []]
    assert found[-1]


def test_a_face_that_moves_fast_is_read_in_every_frame(detector):
    places = [100 + 15 * frame for frame in range(13)]
    before = counters.snapshot().meshes
    found = columns(detector, places)
    assert counters.snapshot().meshes - before >= len(places)
    assert [faces[0] for faces in found] == pytest.approx(places, abs=8)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7])
def test_every_frame_of_a_video_of_any_length_has_its_faces(detector, count):
    assert [len(faces) for faces in columns(detector, [200] * count)] == [1] * count
