"""Faces turned aside by computation."""

import cv2
import numpy as np
import pytest

pytest.importorskip("scipy")

from runtime.blending.occlusion import find_cover
from runtime.crops import cut_crop
from runtime.faces import BlazeFaceMesh, mesh_points
from runtime.types import FaceBox
from tests.runtime import faces_toy
from tests.runtime.test_faces_real import NETWORKS, portraits, pytestmark as real_networks
from training.retarget.framing import cover, cut_picture
from training.turning import MeshWithDepth, framed, turned, turned_faces

#: A head like half a ball: depth grows towards its outline.
BOX = FaceBox(17, 17, 111, 111)
FLAT = mesh_points.typical_landmarks(BOX).astype(np.float64)
AWAY = np.hypot(*((FLAT - 64) / 55).T)
POINTS = np.column_stack([FLAT, -45 * np.sqrt(np.clip(1 - AWAY**2, 0, 1))])
NOSE = FLAT[mesh_points.NOSE_TIP].astype(int)


def face():
    """Grey skin on a darker ground, with a red nose."""
    y, x = np.mgrid[:128, :128]
    picture = np.full((128, 128, 3), 60, np.uint8)
    picture[np.hypot(x - 64, y - 64) < 47] = 150
    picture[np.hypot(x - NOSE[0], y - NOSE[1]) < 6] = (30, 30, 220)
    return picture


def nose_column(picture):
    is_red = (picture[..., 2].astype(int) - picture[..., 1]) > 90
    return np.nonzero(is_red)[1].mean()


def test_a_face_turned_by_nothing_stays_as_it_is():
    same = turned(face(), POINTS, 0.0).astype(int)
    assert np.abs(same - face()).mean() < 6
    assert nose_column(same.astype(np.uint8)) == pytest.approx(nose_column(face()), abs=1.5)


def test_the_further_a_face_is_turned_the_further_its_nose_goes():
    columns = [nose_column(turned(face(), POINTS, angle)) for angle in (-40, -20, 0, 20, 40)]
    assert (np.diff(columns) > 5).all()


def test_the_side_that_turns_away_gets_narrow():
    picture = turned(face(), POINTS, 35.0)
    skin = np.nonzero(picture[64, :, 1] > 100)[0]
    column = nose_column(picture)
    assert skin.max() - column < 0.7 * (column - skin.min())


def test_a_mirrored_face_turned_the_other_way_is_the_mirrored_turned_face():
    mirrored = POINTS * [-1, 1, 1] + [127, 0, 0]
    other = turned(np.ascontiguousarray(face()[:, ::-1]), mirrored, -30.0)
    difference = np.abs(other[:, ::-1].astype(int) - turned(face(), POINTS, 30.0))
    assert difference.mean() < 4


def test_every_face_of_a_data_set_is_turned_to_some_side(tmp_path):
    mesh = MeshWithDepth(faces_toy.facemesh(tmp_path / "facemesh.xml").parent)
    faces = np.full((3, 128, 128, 3), 150, np.uint8)
    faces[:, 20:108, 20:108] = (20, 20, 230)
    faces[:, 60:68, 60:68] = 0
    result = turned_faces(faces, mesh, np.random.default_rng(0))
    assert result.shape == faces.shape
    assert (result != faces).any((1, 2, 3)).all()


@real_networks[0]
@real_networks[1]
@pytest.mark.parametrize("degrees", [-30.0, -20.0, 20.0, 30.0])
def test_nothing_is_in_front_of_a_head_that_looks_aside(degrees):
    detector = BlazeFaceMesh(NETWORKS / "blazeface.xml", NETWORKS / "facemesh.xml")
    mesh = MeshWithDepth(NETWORKS)
    for name, picture in portraits().items():
        (found,) = detector.detect([picture])[0]
        frame = framed(found.landmarks.astype(np.float64))
        cut = cut_picture(picture, cover(frame, 128), 128)
        aside = np.asarray(cv2.resize(turned(cut, mesh.read(cut), degrees), (512, 512)), np.uint8)
        (looking,) = detector.detect([aside])[0]
        box = looking.box
        points = (looking.landmarks - [box.x1, box.y1]) * (96 / np.array([box.width, box.height]))
        assert not find_cover(cut_crop(aside, box), points.astype(np.float32)).any(), name
