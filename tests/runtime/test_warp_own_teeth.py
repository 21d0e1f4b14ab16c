"""The laws of putting an avatar's own teeth behind moved lips."""

import dataclasses

import cv2
import numpy as np
import pytest

from runtime.blending import BlendOptions, make_blender
from runtime.blending.lips import INNER_LOWER, INNER_UPPER, apply_affine
from runtime.blending.warp.inside import GRID
from runtime.blending.warp.own_teeth import OwnTeeth
from runtime.blending.warp.picture import WarpPicture
from runtime.planes import to_bgr, to_planes
from runtime.types import LipMovement
from tests.runtime.painted_face import painted_reference, shown
from tests.runtime.test_warp_inside import opened

#: Nothing else in the painted face is blue.
BLUE = (220, 90, 60)
LIT = np.ones(GRID, np.float32)


def with_teeth(reference, colour=BLUE, opening=0.2):
    """Open a face's mouth and fill it with teeth of a colour that nothing else has."""
    landmarks = reference.landmarks.copy()
    width = np.linalg.norm(landmarks[291] - landmarks[61])
    arch = np.sin(np.linspace(0, np.pi, 11))
    landmarks[INNER_LOWER, 1] = landmarks[INNER_UPPER, 1] + 1.3 * opening * width * arch
    frame = to_bgr(reference.planes)
    mouth = np.concatenate([landmarks[INNER_UPPER], landmarks[INNER_LOWER][::-1]])
    cv2.fillPoly(frame, [np.rint(mouth).astype(np.int32)], colour)
    return dataclasses.replace(reference, planes=to_planes(frame), landmarks=landmarks)


def blue_in(picture):
    """Give where a picture is blue: rows and columns."""
    blue = picture[..., 0].astype(int) - picture[..., 2]
    return np.argwhere(blue > 60)


def open_picture(reference, teeth):
    picture = WarpPicture(reference, None if teeth is None else OwnTeeth(teeth))
    return shown(picture.render(picture.shape.pose(opened(0.2)), LIT))


def test_teeth_of_one_frame_are_shown_in_another():
    closed = painted_reference()
    assert len(blue_in(open_picture(closed, None))) == 0
    assert len(blue_in(open_picture(closed, with_teeth(closed)))) > 100


@pytest.mark.parametrize("box_width", [120, 260])
def test_teeth_grow_with_the_face(box_width):
    teeth = with_teeth(painted_reference())
    spans = []
    for reference in (painted_reference(), painted_reference(box_width=box_width)):
        found = blue_in(open_picture(reference, teeth))
        spans.append(np.ptp(found[:, 1]))
    assert spans[1] / spans[0] == pytest.approx(box_width / 200, rel=0.12)


def test_teeth_stay_in_the_middle_of_a_face_that_is_elsewhere():
    teeth = with_teeth(painted_reference())
    moved = painted_reference()
    frame = np.roll(to_bgr(moved.planes), (10, 24), (0, 1))
    landmarks = moved.landmarks + np.array([24, 10], np.float32)
    x1, y1, x2, y2 = moved.box
    box = type(moved.box)(x1 + 24, y1 + 10, x2 + 24, y2 + 10)
    moved = dataclasses.replace(moved, planes=to_planes(frame), landmarks=landmarks, box=box)
    here, there = (blue_in(open_picture(r, teeth)) for r in (painted_reference(), moved))
    assert np.abs(there.mean(0) - here.mean(0) - np.array([10, 24])).max() < 1.5


def test_a_picture_with_its_own_teeth_shows_them_where_they_are():
    reference = with_teeth(painted_reference())
    picture = WarpPicture(reference, OwnTeeth(reference))
    result = shown(picture.render(picture.shape.pose(opened(0.2)), LIT))
    before, after = blue_in(to_bgr(reference.planes)), blue_in(result)
    assert after[:, 1].mean() == pytest.approx(before[:, 1].mean(), abs=1)
    assert after[:, 0].min() <= before[:, 0].min() + 3


def test_own_teeth_are_darker_where_little_light_falls():
    teeth = with_teeth(painted_reference())
    picture = WarpPicture(painted_reference(), OwnTeeth(teeth))
    pose = picture.shape.pose(opened(0.2))
    lit, dim = (shown(picture.render(pose, LIT * share)) for share in (1.0, 0.1))
    at = tuple(blue_in(lit).mean(0).astype(int))
    assert dim[at].mean() < 0.7 * lit[at].mean()


@pytest.mark.filterwarnings("error")
def test_mouths_open_in_pictures_that_are_black():
    reference = painted_reference()
    black = dataclasses.replace(
        reference, planes=to_planes(np.zeros((*reference.size, 3), np.uint8))
    )
    for teeth in (None, black):
        assert np.isfinite(open_picture(black, teeth)).all()


def test_a_stage_shows_the_teeth_that_it_was_given():
    reference = painted_reference()
    stage = make_blender(BlendOptions(method="warp"), teeth=with_teeth(reference))
    patches = [p for _ in range(5) for p in stage.push(reference, LipMovement(opened(0.2)))]
    patches += stage.flush()
    assert len(blue_in(shown(patches[2]))) > 100


def patterned(reference):
    """Teeth of vertical stripes under a slope: every place looks different."""
    teeth = with_teeth(reference)
    frame = to_bgr(teeth.planes)
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    stripes = (120 + 60 * np.sin(columns / 2.5) + (rows - rows.mean())).astype(np.uint8)
    mouth = np.concatenate([teeth.landmarks[INNER_UPPER], teeth.landmarks[INNER_LOWER][::-1]])
    inside = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.rint(mouth).astype(np.int32)], 1)
    frame[inside > 0] = stripes[inside > 0, None]
    return dataclasses.replace(teeth, planes=to_planes(frame)), cv2.erode(inside, np.ones((9, 9)))


def test_own_teeth_keep_their_places_to_the_pixel():
    reference, inside = patterned(painted_reference())
    picture = WarpPicture(reference, OwnTeeth(reference))
    result = shown(picture.render(picture.shape.pose(opened(0.3)), LIT)).astype(float)
    before = to_bgr(reference.planes).astype(float)
    lowest = np.argwhere(inside)[:, 0].max()
    inside[: lowest - 12] = 0
    where = inside > 0
    assert np.corrcoef(result[where][:, 1], before[where][:, 1])[0, 1] > 0.9


def dimmed(reference, share):
    planes = reference.planes.astype(np.float32)
    height = reference.size[0]
    planes[:height] = 16 + (planes[:height] - 16) * share
    planes[height:] = 128 + (planes[height:] - 128) * share
    return dataclasses.replace(reference, planes=np.rint(planes).astype(np.uint8))


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_own_teeth_are_as_bright_as_the_frame_that_shows_them_is(share):
    face = painted_reference()
    teeth = with_teeth(face)
    bright = open_picture(face, teeth)
    dark = open_picture(dimmed(face, share), teeth)
    at = blue_in(bright)
    levels = [picture[at[:, 0], at[:, 1], 0].mean() for picture in (bright, dark)]
    assert levels[1] / levels[0] == pytest.approx(share, abs=0.15)


def test_colours_that_are_made_much_brighter_stay_what_they_are():
    face = painted_reference()
    teeth = with_teeth(dimmed(face, 0.3), (255, 0, 0))
    assert len(blue_in(open_picture(face, teeth))) > 100


def test_a_mouth_outside_the_picture_gives_no_teeth():
    face = with_teeth(painted_reference())
    cut = np.ascontiguousarray(to_bgr(face.planes)[: int(face.landmarks[13, 1]) // 2 * 2 - 20])
    gone = dataclasses.replace(face, planes=to_planes(cut))
    stage = make_blender(BlendOptions(method="warp"), teeth=gone)
    patches = stage.push(painted_reference(), LipMovement(opened(0.2))) + stage.flush()
    assert len(blue_in(shown(patches[0]))) == 0


def test_teeth_follow_an_upper_lip_that_rises_and_stay_when_the_jaw_falls():
    reference = with_teeth(painted_reference())
    picture = WarpPicture(reference, OwnTeeth(reference))
    up, down = np.zeros((2, 4, 11, 2), np.float32)
    arch = np.sin(np.linspace(0, np.pi, 11))
    up[[0, 2], :, 1], down[[1, 3], :, 1] = -0.3 * arch, 0.5 * arch
    middle = int(reference.landmarks[13, 0])

    def column(motion, at):
        pose = picture.shape.pose(motion)
        upper, lower = (
            apply_affine(picture.shape.to_frame, row)[5, 1]
            for row in (pose.upper[3], pose.lower[3])
        )
        result = shown(picture.render(pose, LIT))
        return result[int((1 - at) * upper + at * lower), middle].astype(int)

    blue, _, red = column(up, 0.3)
    assert blue > red + 40
    assert column(down, 0.85)[1] < 110
