"""What is in front of a face stays in front of it, and nothing else is taken for it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from runtime.blending import METHODS, BlendOptions, make_blender
from runtime.blending.occlusion import certain_parts, find_cover
from runtime.blending.paste import crop_points
from runtime.crops import cut_crop
from runtime.planes import to_bgr, to_planes
from runtime.types import CROP_SIZE
from tests.runtime.painted_face import frame_of, painted_reference, shown, spoken

EVERYWHERE = np.ones((48, 48), bool)
SIDE = np.zeros((48, 48), np.float32)
SIDE[20:40, 4:22] = 1


def shares(level, rows=slice(28, 40), columns=slice(20, 30)):
    share = np.zeros((48, 48), np.float32)
    share[rows, columns] = level
    return share


def with_microphone(reference):
    """Paint a black ball with a handle over half of the mouth."""
    frame = frame_of(reference)
    x, y = reference.landmarks[[13, 14]].mean(0) + np.array([15, 22])
    thing = np.zeros(frame.shape[:2], np.uint8)
    cv2.circle(thing, (int(x), int(y)), 26, 1, -1)
    cv2.line(thing, (int(x), int(y)), (int(x) + 8, frame.shape[0]), 1, 22)
    frame[thing > 0] = (28, 28, 30)
    crop = cut_crop(frame, reference.box, reference.angle)
    return replace(reference, planes=to_planes(frame), crop=crop), thing > 0


def blended(method, reference, mouth):
    stage = make_blender(BlendOptions(method=method), rest=lambda frame: frame.crop)
    return [*stage.push(reference, mouth), *stage.flush()][0]


def test_a_guess_is_no_occlusion():
    assert not certain_parts(shares(0.9), EVERYWHERE).any()


def test_a_speck_is_no_occlusion():
    speck = shares(1.0, slice(30, 33), slice(20, 22))
    assert not certain_parts(speck, EVERYWHERE).any()


def test_a_thing_that_leaves_the_mouth_free_is_no_occlusion():
    assert not certain_parts(shares(1.0, columns=slice(30, 44)), SIDE > 0).any()


def test_a_certain_thing_takes_its_likely_surroundings_with_it():
    share = shares(0.6, slice(26, 42), slice(18, 32))
    share[30:38, 22:28] = 0.99
    cover = certain_parts(share, EVERYWHERE)
    assert (cover[26:42, 18:32] == 255).all()
    assert not cover[:24].any()


@pytest.mark.parametrize("opening", [0.0, 0.5])
def test_nothing_is_in_front_of_a_plain_face(opening):
    reference = painted_reference(opening=opening)
    assert not find_cover(reference.crop, crop_points(reference)).any()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_what_is_in_front_alone(method):
    reference, thing = with_microphone(painted_reference())
    plain = cv2.resize(
        thing[reference.box.y1 : reference.box.y2, reference.box.x1 : reference.box.x2].astype(
            np.float32
        ),
        (CROP_SIZE // 2, CROP_SIZE // 2),
        interpolation=cv2.INTER_AREA,
    )
    covered = replace(reference, cover=np.uint8(255 * (plain > 0.5)))
    patch = blended(method, covered, spoken(reference, 0.8))
    core = cv2.erode(thing.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    region = patch.region
    where = core[region.y1 : region.y2, region.x1 : region.x2]
    assert not patch.touched[where].any()
    source = to_bgr(reference.planes, region)
    change = np.abs(shown(patch).astype(int) - frame_of(reference))
    assert change[~thing].max() > 20
    assert np.array_equal(source[where], to_bgr(covered.planes, region)[where])
