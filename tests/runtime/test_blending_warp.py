"""The laws of warping the picture's own lips."""

import dataclasses

import numpy as np
import pytest

from runtime.blending import BlendOptions, make_blender, sharpness
from runtime.blending.measures import opening, silence_motion
from runtime.blending.paste import crop_points
from runtime.blending.warp.reader import LipReader
from runtime.blending.warp.shape import MouthShape
from tests.runtime.painted_face import frame_of, painted_reference, shown, spoken


@pytest.fixture(scope="module")
def reference():
    return painted_reference()


def rest_of(frame):
    return spoken(frame, 0.0)


def warped(reference, mouths, speaking=None):
    stage = make_blender(BlendOptions(method="warp"), rest=rest_of)
    weights = speaking or [1.0] * len(mouths)
    patches = [
        patch
        for mouth, weight in zip(mouths, weights, strict=True)
        for patch in stage.push(reference, mouth, speaking=weight)
    ]
    return patches + stage.flush()


def test_the_rest_mouth_reads_as_no_movement(reference):
    reader = LipReader()

    rest = reader.learn(rest_of(reference), crop_points(reference))
    assert np.abs(reader.read(rest, rest_of(reference))).max() == 0.0


def test_an_open_mouth_reads_open(reference):

    reader = LipReader()
    rest = reader.learn(rest_of(reference), crop_points(reference))
    gaps = [
        float(
            np.diff(reader.motion(reader.read(rest, spoken(reference, share)))[2:, 5, 1], axis=0)[0]
        )
        for share in (0.0, 0.4, 0.8)
    ]
    assert gaps[0] == 0.0
    assert min(gaps[1:]) > 0.05


def test_two_frames_are_held_back_and_none_is_lost(reference):
    stage = make_blender(BlendOptions(method="warp"), rest=rest_of)
    mouth = spoken(reference, 0.5)
    counts = [len(stage.push(reference, mouth)) for _ in range(5)]
    assert counts == [0, 0, 1, 1, 1]
    assert len(stage.flush()) == 2
    assert stage.flush() == []


def test_silence_holds_the_picture_still(reference):
    mouths = [spoken(reference, share) for share in (0.6, 0.5, 0.1, 0.3, 0.2, 0.1)]
    patches = warped(reference, mouths, [1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    for patch in patches[3:]:
        assert np.array_equal(shown(patch), shown(patches[2]))


def test_only_the_lower_face_moves(reference):
    patch = warped(reference, [spoken(reference, 0.9)])[0]
    moved = np.argwhere((shown(patch) != frame_of(reference)).any(-1))
    nose = reference.landmarks[1]
    assert moved[:, 0].min() > nose[1]


def test_the_smallest_face_can_be_warped():
    tiny = painted_reference(box_width=12)
    patches = warped(tiny, [spoken(tiny, 0.5)] * 3)
    assert [shown(patch).shape for patch in patches] == [frame_of(tiny).shape] * 3


def test_the_warped_picture_is_as_sharp_as_its_source(reference):
    result = shown(warped(reference, [spoken(reference, 0.8)])[0])
    source = sharpness(frame_of(reference), reference.landmarks)
    assert sharpness(result, reference.landmarks) > 0.8 * source


def test_a_small_change_of_the_mouth_is_a_small_change_of_the_picture(reference):
    shape = MouthShape(reference.landmarks)
    open_by = np.zeros((4, 11, 2), np.float32)
    open_by[[1, 3], 1:10, 1] = 1.0
    gaps = [shape.pose(open_by * share).gap[5] for share in np.linspace(0, 0.1, 101)]
    assert gaps[0] == 0.0
    assert np.max(np.diff(gaps)) < 0.004


def test_an_open_picture_is_shown_closed_at_rest():
    landmarks = painted_reference().landmarks.copy()
    landmarks[[82, 13, 312, 81, 311], 1] -= 6
    landmarks[[87, 14, 317, 178, 402], 1] += 6
    shape = MouthShape(landmarks)
    pose = shape.pose(np.zeros((4, 11, 2), np.float32))
    assert shape.openness > 0.1
    assert np.abs(pose.upper[3] - pose.lower[3]).max() < 0.01 * shape.rest_width


def test_a_tilted_or_turned_face_is_pasted_for_the_whole_utterance(reference):
    turned = painted_reference(angle=20.0)
    stage = make_blender(BlendOptions(method="warp"), rest=rest_of)
    mouth = spoken(turned, 0.8)
    patches = [*stage.push(turned, mouth), *stage.push(reference, spoken(reference, 0.8))]
    patches += stage.flush()
    pasted = make_blender(BlendOptions(method="mesh"), rest=rest_of)
    expected = [*pasted.push(turned, mouth), *pasted.push(reference, spoken(reference, 0.8))]
    for patch, like in zip(patches, expected, strict=True):
        assert np.array_equal(patch.pixels, like.pixels)


def test_frames_without_a_face_keep_their_place(reference):
    empty = dataclasses.replace(reference, has_face=False)
    stage = make_blender(BlendOptions(method="warp"), rest=rest_of)
    mouth = spoken(reference, 0.5)
    order = [reference, empty, reference, reference, empty]
    patches = [patch for frame in order for patch in stage.push(frame, mouth)] + stage.flush()
    assert [patch.reference for patch in patches] == order
    assert [bool(patch.touched.any()) for patch in patches] == [True, False, True, True, False]


def test_opening_is_measured_in_mouth_widths():
    points = np.zeros((468, 2), np.float32)
    points[61], points[291] = (0, 0), (50, 0)
    for lower in (87, 14, 317, 178, 402):
        points[lower, 1] = 10
    assert opening(points) == pytest.approx(0.2)


def test_silence_motion_counts_silent_pairs_only():
    track = np.zeros((4, 468, 2), np.float32)
    track[:, 291, 0] = 100
    track[:, [87, 14, 317, 178, 402], 1] = np.array([0, 2, 2, 9], np.float32)[:, None]
    assert silence_motion(track, [0, 0, 0, 1]) == pytest.approx(1.0)
    assert silence_motion(track, [1, 1, 1, 1]) == 0.0
