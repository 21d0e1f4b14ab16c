"""A face before a green screen leaves the screen to be keyed out."""

import dataclasses

import cv2
import numpy as np
import pytest

from runtime.blending import METHODS, BlendOptions, make_blender
from runtime.crops import cut_crop
from runtime.planes import to_bgr, to_planes
from runtime.types import LipMovement
from tests.runtime.painted_face import SKIN, paint_lips, painted_reference, shown, spoken

KEY = (64, 177, 0)
#: The face's own rim: blurred by chroma of half the size, and by the lips' soft edges.
RIM_PX = 9


@pytest.fixture(scope="module")
def keyed():
    """A painted face before a green screen, and where the screen is."""
    face = painted_reference()
    frame = np.full((*face.size, 3), KEY, np.uint8)
    head = np.zeros(face.size, np.uint8)
    centre = tuple(int(v) for v in face.landmarks.mean(0))
    cv2.ellipse(head, centre, (104, 150), 0, 0, 360, 255, -1)
    frame[head > 0] = SKIN
    paint_lips(frame, face.landmarks, 0.0)
    screen = cv2.dilate(head, np.ones((RIM_PX, RIM_PX), np.uint8)) == 0
    crop = cut_crop(frame, face.box, 0.0)
    return dataclasses.replace(face, planes=to_planes(frame), crop=crop), screen


def opened():
    motion = np.zeros((4, 11, 2), np.float32)
    motion[1::2, 1:-1, 1] = 0.3
    return LipMovement(motion)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("auto", "box")])
def test_no_pixel_of_the_screen_changes_while_the_face_speaks(keyed, method):
    reference, screen = keyed
    stage = make_blender(BlendOptions(method=method), rest=lambda frame: spoken(frame, 0.0))
    mouth = opened() if method == "warp" else spoken(reference, 1.0)
    patches = [patch for _ in range(4) for patch in stage.push(reference, mouth)]
    frame = shown([*patches, *stage.flush()][1])
    before = to_bgr(reference.planes)
    assert np.array_equal(frame[screen], before[screen])
    assert not np.array_equal(frame, before)
