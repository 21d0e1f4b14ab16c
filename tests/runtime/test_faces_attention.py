"""The lips head's answer lands where its crop was cut."""

import numpy as np
import pytest

from runtime.errors import ModelMismatchError
from runtime.faces import AttentionMesh, Roi, attention_mesh, mesh_points
from runtime.types import FaceBox
from tests.runtime import faces_toy

WHOLE = Roi(96, 96, 192.0)
PICTURE = np.zeros((192, 192, 3), np.uint8)


def turned_mesh(angle):
    mesh = mesh_points.typical_landmarks(FaceBox(40, 40, 150, 160)).astype(np.float64)
    turned = mesh_points.turn_points(mesh[None] - 96, np.array([float(angle)]))[0] + 96
    return turned.astype(np.float32)


def read(folder, mesh, place):
    trunk = faces_toy.attention_trunk(folder / "trunk.xml", mesh)
    reader = AttentionMesh(trunk, faces_toy.attention_lips(folder / "lips.xml", place))
    return reader.landmarks(PICTURE, WHOLE)[1]


@pytest.mark.parametrize("angle", [0, 20, -45, 170])
def test_the_middle_of_the_crop_is_the_middle_of_the_mouth(tmp_path, angle):
    mesh = turned_mesh(angle)
    lips = mesh[list(faces_toy.LIPS)].astype(np.float64)
    level = mesh_points.turn_points(lips[None] - 96, np.array([float(-angle)]))[0]
    middle = (level.min(axis=0) + level.max(axis=0)) / 2
    expected = mesh_points.turn_points(middle[None, None], np.array([float(angle)]))[0, 0] + 96
    found = read(tmp_path, mesh, (0.5, 0.5))[list(faces_toy.LIPS)]
    assert found == pytest.approx(np.tile(expected, (len(found), 1)), abs=0.6)


def test_the_crop_is_half_as_large_again_as_the_mouth(tmp_path):
    mesh = turned_mesh(0)
    lips = mesh[list(faces_toy.LIPS)]
    corner = read(tmp_path, mesh, (0.0, 0.0))[61]
    expected = (lips.min(axis=0) + lips.max(axis=0)) / 2 - 0.75 * np.ptp(lips, axis=0)
    assert corner == pytest.approx(expected, abs=0.1)


def test_points_that_are_not_lips_are_the_trunks(tmp_path):
    mesh = turned_mesh(10)
    others = np.setdiff1d(np.arange(468), faces_toy.LIPS)
    assert read(tmp_path, mesh, (0.5, 0.5))[others] == pytest.approx(mesh[others], abs=1e-3)


def test_a_lips_head_without_its_facts_is_refused(tmp_path):
    trunk = faces_toy.attention_trunk(tmp_path / "trunk.xml", turned_mesh(0))
    with pytest.raises(ModelMismatchError, match="points"):
        AttentionMesh(trunk, trunk)


def test_a_cut_out_of_feature_maps_is_bilinear_and_empty_outside():
    y, x = np.mgrid[0:12, 0:10].astype(np.float32)
    maps = np.stack([x, y, np.ones_like(x)])
    to_map = np.array([[0.5, -0.25, 3.0], [0.25, 0.5, 2.0]])
    places = np.moveaxis(np.indices((8, 8))[::-1], 0, -1) @ to_map[:, :2].T + to_map[:, 2]
    cut = attention_mesh.cut_maps(maps, to_map, 8)
    inside = ((places >= 0) & (places <= [9, 11])).all(axis=-1)
    assert inside.sum() > 40
    assert cut[inside][:, :2] == pytest.approx(places[inside], abs=1e-5)
    assert cut[inside][:, 2] == pytest.approx(1)
    assert not attention_mesh.cut_maps(maps, np.array([[1.0, 0, 20], [0, 1.0, 2]]), 8).any()
