"""The laws of warping a face that something is in front of."""

import dataclasses

import cv2
import numpy as np
import pytest

from runtime.blending.region import crop_to_frame, uncovered
from runtime.blending.warp import can_warp
from runtime.blending.warp.front import Front, hidden_lips
from runtime.blending.warp.inside import GRID
from runtime.blending.warp.own_teeth import OwnTeeth
from runtime.blending.warp.picture import WarpPicture
from runtime.planes import to_bgr, to_planes
from runtime.types import COVER_SIZE, CROP_SIZE, FaceBox
from tests.runtime.painted_face import painted_reference, shown
from tests.runtime.test_warp_inside import opened
from tests.runtime.test_warp_own_teeth import blue_in, with_teeth

#: Nothing else in the painted face is green.
GREEN = (60, 200, 60)
LIT = np.ones(GRID, np.float32)


def with_thing(reference, *, below=0.35, size=0.16):
    """Hold a green ball before a face, ``below`` its mouth, in face widths."""
    height, width = reference.size
    unit = reference.box.width
    x, y = reference.landmarks[[13, 14]].mean(0) + np.array([0, below]) * unit
    centre, radius = (round(float(x)), round(float(y))), round(size * unit)
    frame = to_bgr(reference.planes)
    cv2.circle(frame, centre, radius, GREEN, -1)
    ball = np.zeros((height, width), np.uint8)
    cv2.circle(ball, centre, radius, 255, -1)
    to_frame = crop_to_frame(reference.box, reference.angle)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    in_crop = cv2.warpAffine(ball, to_frame, (CROP_SIZE, CROP_SIZE), flags=flags)
    cover = cv2.resize(in_crop, (COVER_SIZE, COVER_SIZE), interpolation=cv2.INTER_AREA)
    return dataclasses.replace(reference, planes=to_planes(frame), cover=cover), ball > 0


def green_in(picture):
    return picture[..., 1].astype(int) - picture[..., [0, 2]].max(-1) > 40


@pytest.fixture(scope="module")
def covered():
    return with_thing(painted_reference())


def test_what_is_in_front_keeps_its_bits(covered):
    reference, ball = covered
    picture = WarpPicture(reference)
    patch = picture.render(picture.shape.pose(opened(0.25)), LIT)
    result, source = shown(patch), to_bgr(reference.planes)
    inside = cv2.erode(ball.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.array_equal(result[inside], source[inside])
    x1, y1, x2, y2 = patch.region
    kept = ~patch.touched
    assert kept[inside[y1:y2, x1:x2]].all()
    assert np.array_equal(result[y1:y2, x1:x2][kept], source[y1:y2, x1:x2][kept])
    assert not np.array_equal(result, source)


def test_nothing_of_it_moves_with_the_face(covered):
    reference, _ = covered
    picture = WarpPicture(reference)
    result = shown(picture.render(picture.shape.pose(opened(0.25)), LIT))
    before = cv2.dilate(green_in(to_bgr(reference.planes)).astype(np.uint8), np.ones((3, 3))) > 0
    assert (green_in(result) & ~before).sum() == 0


def test_the_face_goes_on_behind_it_and_is_itself_beside_it(covered):
    reference, ball = covered
    height, width = reference.size
    front = Front.of(reference, FaceBox(0, 0, width, height))
    assert front is not None
    behind = to_bgr(front.without())
    assert green_in(behind).sum() == 0
    rows, columns = np.where(ball)
    away = np.ones(ball.shape, bool)
    # What reaches the edge of the crop is taken to go on below it.
    away[rows.min() - 6 :, columns.min() - 8 : columns.max() + 9] = False
    assert np.array_equal(behind[away], to_bgr(reference.planes)[away])


def test_faces_with_nothing_in_front_have_no_front():
    reference = painted_reference()
    height, width = reference.size
    assert Front.of(reference, FaceBox(0, 0, width, height)) is None
    assert uncovered(reference, crop_to_frame(reference.box, 0.0), reference.box) is None


@pytest.mark.parametrize(("below", "size", "is_warped"), [(0.35, 0.16, True), (0.0, 0.4, False)])
def test_a_face_whose_lips_are_hidden_is_not_warped(below, size, is_warped):
    reference, _ = with_thing(painted_reference(), below=below, size=size)
    assert (hidden_lips(reference) < 0.5) == is_warped
    assert can_warp(reference) == is_warped


def test_a_tilted_face_behind_a_thing_is_warped_too():
    reference, ball = with_thing(painted_reference(angle=30.0))
    picture = WarpPicture(reference)
    result = shown(picture.render(picture.shape.pose(opened(0.25)), LIT))
    source = to_bgr(reference.planes)
    inside = cv2.erode(ball.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.array_equal(result[inside], source[inside])


def test_own_teeth_are_taken_without_what_is_in_front():
    smiling = with_teeth(painted_reference())
    reference, _ = with_thing(smiling, below=0.05, size=0.05)
    picture = WarpPicture(painted_reference(), OwnTeeth(reference))
    result = shown(picture.render(picture.shape.pose(opened(0.25)), LIT))
    assert green_in(result).sum() == 0
    assert len(blue_in(result)) > 50
