"""Laws of finding and following faces, on toy networks that take red squares for faces."""

import cv2
import numpy as np
import pytest

from runtime import boxes
from runtime.errors import ModelMismatchError, ModelNotFoundError
from runtime.faces import BlazeFaceMesh, Roi, counters, mesh_points
from runtime.faces.shots import ShotDetector
from runtime.pyramid import Pyramid
from runtime.types import FaceBox
from tests.runtime import faces_toy


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return BlazeFaceMesh(
        faces_toy.blazeface(folder / "blazeface.xml"), faces_toy.facemesh(folder / "facemesh.xml")
    )


def picture(squares, size=(360, 480), level=120):
    frame = np.full((*size, 3), level, np.uint8)
    for box in squares:
        frame[box.y1 : box.y2, box.x1 : box.x2] = (20, 20, 230)
    return frame


def around(x, y, side):
    return FaceBox(x - side // 2, y - side // 2, x + side // 2, y + side // 2)


def centre(box):
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2


@pytest.mark.parametrize("size", [(360, 480), (480, 360), (128, 128), (1080, 1920)])
@pytest.mark.parametrize("place", [(0.3, 0.4), (0.7, 0.6)])
def test_a_face_is_found_where_it_is(detector, size, place):
    side = max(size) // 5
    x, y = round(place[0] * size[1]), round(place[1] * size[0])
    (face,) = detector.detect([picture([around(x, y, side)], size)])[0]
    assert np.hypot(*np.subtract(centre(face.box), (x, y))) < 0.25 * side
    assert 0 <= face.box.x1 < face.box.x2 <= size[1]


def test_a_face_too_small_for_the_whole_picture_is_found_by_looking_closer(detector):
    small = around(1400, 300, 70)
    (face,) = detector.detect([picture([small], (1080, 1920))])[0]
    assert np.hypot(*np.subtract(centre(face.box), (1400, 300))) < 20


def test_a_picture_without_a_face_gives_none(detector):
    assert detector.detect([picture([])]) == [[]]
    assert detector.best_score(picture([])) < 0.5


def test_every_search_is_counted(detector):
    before = counters.snapshot()
    detector.detect([picture([around(200, 200, 100)])])
    after = counters.snapshot()
    assert after.detections == before.detections + 1
    assert after.meshes > before.meshes


def test_following_searches_seldom(detector):
    frames = [picture([around(150 + 2 * i, 180, 100)]) for i in range(36)]
    before = counters.detections
    faces = list(detector.track(map(Pyramid, frames)))
    assert all(len(found) == 1 and found[0].face_id == 0 for found in faces)
    assert counters.detections - before <= 4
    for index, found in enumerate(faces):
        assert abs(centre(found[0].box)[0] - (150 + 2 * index)) < 8


def test_numbers_go_by_size_and_stay_when_faces_move(detector):
    frames = [
        picture([around(110 + 2 * i, 180, 90), around(370 - 2 * i, 180, 120)]) for i in range(20)
    ]
    for index, found in enumerate(detector.track(map(Pyramid, frames))):
        places = {face.face_id: centre(face.box)[0] for face in found}
        assert places[0] == pytest.approx(370 - 2 * index, abs=8)
        assert places[1] == pytest.approx(110 + 2 * index, abs=8)


def test_a_face_that_returns_gets_its_number_back(detector):
    two = picture([around(110, 180, 90), around(370, 180, 120)])
    one = picture([around(370, 180, 120)])
    found = list(detector.track(map(Pyramid, [two] * 3 + [one] * 5 + [two] * 14)))
    assert {face.face_id for face in found[5]} == {0}
    assert {face.face_id: round(centre(face.box)[0], -1) for face in found[-1]} == {0: 370, 1: 110}


def test_after_a_shot_change_the_largest_face_is_number_zero_again(detector):
    first = picture([around(110, 180, 90)], level=120)
    second = picture([around(370, 180, 130)], level=210)
    found = list(detector.track(map(Pyramid, [first] * 4 + [second] * 4)))
    assert [faces[0].face_id for faces in found] == [0] * 8
    assert abs(centre(found[4][0].box)[0] - 370) < 12


def test_detecting_does_not_depend_on_what_was_seen_before(detector):
    frame = picture([around(200, 200, 100)])
    alone = detector.detect([frame])[0][0]
    after = detector.detect([picture([around(350, 150, 90)]), frame])[1][0]
    assert alone.box == after.box
    assert np.array_equal(alone.landmarks, after.landmarks)


def test_a_network_of_another_role_is_refused(tmp_path):
    mesh = faces_toy.facemesh(tmp_path / "facemesh.xml")
    with pytest.raises(ModelMismatchError, match="role"):
        BlazeFaceMesh(mesh, mesh)


def test_a_missing_network_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError):
        BlazeFaceMesh(tmp_path / "a.xml", tmp_path / "b.xml")


def test_the_digest_names_the_networks(tmp_path):
    face, mesh_file = tmp_path / "blazeface.xml", tmp_path / "facemesh.xml"
    faces_toy.blazeface(face)
    faces_toy.facemesh(mesh_file)
    first = BlazeFaceMesh(face, mesh_file).digest
    assert BlazeFaceMesh(face, mesh_file).digest == first
    weights = mesh_file.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes() + b"0")
    assert BlazeFaceMesh(face, mesh_file).digest != first


def test_landmarks_are_read_in_pixels_of_the_picture(detector):
    square = around(300, 150, 100)
    score, points = detector.facemesh.landmarks(picture([square]), Roi(290, 160, 200.0))
    low, high = points.min(axis=0), points.max(axis=0)
    assert score > 0.9
    assert (low + high) / 2 == pytest.approx([300, 150], abs=8)


def test_a_cut_is_noticed_and_motion_is_not():
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 255, (240, 640, 3), np.uint8), (0, 0), 12) * 3 % 255
    other = cv2.GaussianBlur(rng.integers(0, 255, (240, 640, 3), np.uint8), (0, 0), 12) * 2 % 255
    shots = ShotDetector()
    pan = [scene[:, 3 * i : 3 * i + 320].astype(np.uint8) for i in range(30)]
    assert not any(shots.is_cut(Pyramid(frame)) for frame in pan)
    assert shots.is_cut(Pyramid(255 - other[:, :320].astype(np.uint8)))


def mesh():
    return mesh_points.typical_landmarks(FaceBox(100, 100, 300, 350))


def test_the_mesh_framing_of_a_typical_mesh_is_its_box():
    box = FaceBox(100, 100, 300, 350)
    framed = mesh_points.mesh_face_box(mesh(), (500, 500))
    assert boxes.iou(framed, box) > 0.97


@pytest.mark.parametrize("angle", [-40.0, -10.0, 0.0, 25.0, 45.0])
def test_the_roll_of_a_turned_mesh_is_read_and_its_box_keeps_its_size(angle):
    turned = mesh_points.turn_points(mesh()[None].astype(np.float64) - 250, np.array([angle]))
    points = (turned[0] + 250).astype(np.float32)
    assert mesh_points.roll_angle(points) == pytest.approx(angle, abs=0.5)
    upright = mesh_points.mesh_face_box(mesh(), (500, 500))
    framed = mesh_points.mesh_face_box(points, (500, 500), angle)
    assert abs(framed.width - upright.width) <= 1
    assert abs(framed.height - upright.height) <= 1


def test_a_mouth_that_opens_is_measured_and_turning_it_changes_nothing():
    open_mouth = mesh()
    open_mouth[list(mesh_points.INNER_LOWER), 1] += 20
    wider = mesh_points.mouth_opening(open_mouth)
    assert wider > mesh_points.mouth_opening(mesh()) + 0.1
    turned = mesh_points.turn_points(open_mouth[None].astype(np.float64), np.array([30.0]))[0]
    assert mesh_points.mouth_opening(turned.astype(np.float32)) == pytest.approx(wider, rel=1e-4)


def test_a_face_from_the_front_has_no_yaw():
    assert mesh_points.yaw_share(mesh()) < 0.02
    turned = mesh()
    turned[mesh_points.NOSE_TIP] = turned[mesh_points.FACE_SIDES[0]] + 5
    assert mesh_points.yaw_share(turned) > 0.8
