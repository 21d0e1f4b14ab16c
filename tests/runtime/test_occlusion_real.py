"""The occlusion network on real faces; skipped without the pictures or the face networks."""

import cv2
import numpy as np
import pytest

from runtime.blending.occlusion import find_cover
from runtime.crops import cut_crop
from runtime.faces import BlazeFaceMesh
from tests.runtime.test_faces_real import NETWORKS, portraits, pytestmark as real_networks

pytestmark = real_networks


@pytest.fixture(scope="module")
def faces():
    """Every portrait with its box, and its mesh in crop pixels."""
    detector = BlazeFaceMesh(NETWORKS / "blazeface.xml", NETWORKS / "facemesh.xml")
    found = {}
    for name, picture in portraits().items():
        (face,) = detector.detect([picture])[0]
        scale = 96 / np.array([face.box.width, face.box.height])
        found[name] = picture, face.box, (face.landmarks - face.box[:2]) * scale
    return found


def test_beards_glasses_teeth_and_paint_are_not_in_front(faces):
    for name, (picture, box, points) in faces.items():
        assert not find_cover(cut_crop(picture, box), points.astype(np.float32)).any(), name


@pytest.mark.parametrize("colour", [(25, 25, 27), (200, 120, 40), (235, 235, 235)])
def test_a_microphone_of_any_colour_is_in_front(faces, colour):
    shares = []
    for picture, box, points in faces.values():
        crop = cut_crop(picture, box)
        thing = np.zeros((96, 96), np.uint8)
        x, y = (points[[13, 14]].mean(0) + np.array([3, 10])).astype(int).tolist()
        cv2.circle(thing, (x, y), 13, 255, -1, cv2.LINE_AA)
        cv2.line(thing, (x, y), (x + 5, 96), 255, 11, cv2.LINE_AA)
        share = (thing / 255)[..., None]
        covered = (crop * (1 - share) + np.array(colour) * share).astype(np.uint8)
        cover = find_cover(covered, points.astype(np.float32)) > 127
        truth = cv2.resize(thing, (48, 48), interpolation=cv2.INTER_AREA) > 127
        shares.append((cover & truth).sum() / (cover | truth).sum())
    assert np.median(shares) > 0.8
