"""The laws of warping the picture's own lips."""

import dataclasses

import numpy as np
import pytest

from runtime.blending import BlendOptions, make_blender, sharpness
from runtime.blending.lips import INNER_LOWER
from runtime.blending.measures import opening, silence_motion
from runtime.blending.paste import crop_points
from runtime.blending.warp import can_warp
from runtime.blending.warp.palette import Palette
from runtime.blending.warp.reader import LipReader, RestMouth
from runtime.blending.warp.shape import MouthShape
from runtime.blending.warp.spline import Spline, kernel, spline_system
from runtime.blending.warp.surface import Surface, samples
from runtime.blending.warp.teeth import Teeth
from runtime.crops import cut_crop
from runtime.planes import to_planes
from runtime.types import FaceBox
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


def test_a_face_is_asked_for_known_sounds_once_and_only_when_it_speaks(reference):
    asked = []

    def draw(frame, chunks):
        asked.append(len(chunks))
        return [spoken(frame, 0.5)] * len(chunks)

    stage = make_blender(BlendOptions(method="warp"), rest=rest_of, draw=draw)
    mouth = spoken(reference, 0.5)
    counts = []
    for speaking in (0.0, 0.0, 1.0, 1.0, 0.0):
        stage.push(reference, mouth, speaking=speaking)
        counts.append(len(asked))
    assert counts == [0, 0, 1, 1, 1]
    assert asked == [len(LipReader().probes)]


def test_drawn_teeth_are_parted_by_lines_and_end_in_the_corners_of_the_mouth():
    away = np.linspace(0, 0.4, 401, dtype=np.float32)
    row = Teeth.at(away, 0.001)
    middles, lines = row.shade[[47, 128, 194, 250]], row.shade[[0, 94, 162, 226]]
    assert (lines < 0.95 * middles).all()
    assert row.seen[0] == 1.0
    assert row.seen[-1] == 0.0


def test_the_mouth_of_a_grey_picture_is_grey(reference):
    planes = reference.planes.copy()
    planes[reference.size[0] :] = 128
    palette = Palette.of(planes, reference.landmarks, 100.0)
    coloured = Palette.of(reference.planes, reference.landmarks, 100.0)
    for part, like in zip(palette[:2], coloured[:2], strict=True):
        assert not part[1:].any()
        assert like[1:].any()


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


def turned(reference, degrees):
    """The same picture with the landmarks of a turned head: a cylinder with a nose."""
    landmarks = reference.landmarks.copy()
    left, right = landmarks[234, 0], landmarks[454, 0]
    middle, radius = (left + right) / 2, (right - left) / 2
    beside = np.clip((landmarks[:, 0] - middle) / radius, -1, 1)
    forward = np.sqrt(1 - beside * beside)
    forward[1] = 1.15
    angle = np.radians(degrees)
    landmarks[:, 0] = middle + radius * (beside * np.cos(angle) + forward * np.sin(angle))
    return dataclasses.replace(reference, landmarks=landmarks.astype(np.float32))


@pytest.mark.parametrize("degrees", [-30, 0, 20])
def test_what_is_left_of_widths_tells_how_far_a_head_is_turned(reference, degrees):
    shape = MouthShape(turned(reference, degrees).landmarks)
    assert shape.facing == pytest.approx(np.cos(np.radians(degrees)), abs=0.02)


def test_the_far_half_of_a_turned_mouth_moves_less_sideways(reference):
    rounded = np.zeros((4, 11, 2), np.float32)
    rounded[..., 0] = np.linspace(0.1, -0.1, 11)
    left, right = [], []
    for degrees in (0, 30):
        shape = MouthShape(turned(reference, degrees).landmarks)
        moved = shape.pose(rounded).upper[0, :, 0] - shape.closed.upper[0, :, 0]
        left.append(moved[0] / shape.rest_width)
        right.append(-moved[-1] / shape.rest_width)
    assert left[0] == pytest.approx(right[0], rel=0.05)
    assert left[1] > 1.2 * right[1]


def test_a_turned_head_opens_its_mouth_as_high_as_one_that_looks_here(reference):
    open_by = np.zeros((4, 11, 2), np.float32)
    open_by[[1, 3], 1:10, 1] = 0.2
    heights = []
    for degrees in (0, 30):
        shape = MouthShape(turned(reference, degrees).landmarks)
        heights.append(shape.pose(open_by).gap[5] * shape.eye_distance)
    assert heights[1] == pytest.approx(heights[0], rel=0.05)


@pytest.mark.parametrize(("degrees", "is_warped"), [(30, True), (-40, True), (60, False)])
def test_heads_are_warped_up_to_a_turn_of_45_degrees(reference, degrees, is_warped):
    assert can_warp(turned(reference, degrees)) == is_warped


@pytest.mark.parametrize(("cut_at", "is_warped"), [(152, True), (17, False)])
def test_a_chin_may_be_cut_off_but_not_the_mouth(reference, cut_at, is_warped):
    height = int(reference.landmarks[cut_at, 1]) // 2 * 2 - 2
    frame = np.ascontiguousarray(frame_of(reference)[:height])
    cut = dataclasses.replace(reference, planes=to_planes(frame))
    assert can_warp(cut) == is_warped
    patches = warped(cut, [spoken(reference, 0.8)] * 3)
    assert [shown(patch).shape for patch in patches] == [frame.shape] * 3


def test_an_open_mouth_needs_room_below_to_close(reference):
    landmarks = reference.landmarks.copy()
    landmarks[INNER_LOWER, 1] += 20 * np.sin(np.linspace(0, np.pi, 11))
    height = int(landmarks[17, 1]) // 2 * 2 + 10
    cut = to_planes(np.ascontiguousarray(frame_of(reference)[:height]))
    closed, opened = (
        dataclasses.replace(reference, planes=cut, landmarks=points)
        for points in (reference.landmarks, landmarks)
    )
    assert can_warp(closed)
    assert not can_warp(opened)


def test_a_face_half_out_of_the_picture_is_not_warped(reference):
    beyond = int(reference.landmarks[61, 0]) // 2 * 2 - 4
    frame = np.ascontiguousarray(frame_of(reference)[:, beyond:])
    landmarks = reference.landmarks - np.array([beyond, 0], np.float32)
    cut = dataclasses.replace(reference, planes=to_planes(frame), landmarks=landmarks)
    assert not can_warp(cut)


def test_a_face_that_was_not_recognized_is_not_warped(reference):
    assert can_warp(reference)
    assert not can_warp(dataclasses.replace(reference, is_known=False))


def test_a_face_turned_away_is_pasted_for_the_whole_utterance(reference):
    profile = turned(painted_reference(), 60)
    stage = make_blender(BlendOptions(method="warp"), rest=rest_of)
    mouth = spoken(profile, 0.8)
    patches = [*stage.push(profile, mouth), *stage.push(reference, spoken(reference, 0.8))]
    patches += stage.flush()
    pasted = make_blender(BlendOptions(method="mesh"), rest=rest_of)
    expected = [*pasted.push(profile, mouth), *pasted.push(reference, spoken(reference, 0.8))]
    for patch, like in zip(patches, expected, strict=True):
        assert np.array_equal(patch.pixels, like.pixels)


@pytest.mark.parametrize("angle", [-45.0, 30.0])
def test_a_tilted_face_is_warped_like_an_upright_one(reference, angle):
    tilted = painted_reference(angle=angle)
    mouths = [spoken(frame, 0.8) for frame in (reference, tilted)]
    upright, turned = (
        cut_crop(shown(warped(frame, [mouth] * 3)[1]), frame.box, frame.angle).astype(int)
        for frame, mouth in zip((reference, tilted), mouths, strict=True)
    )
    inside = upright.min(-1) < 80
    assert inside.sum() > 20
    # Textures differ: noise is drawn in the frame, not on the face.
    assert np.abs(upright - turned)[inside].mean() < 12


def test_pixels_that_do_not_move_keep_their_bits(reference):
    patch = warped(reference, [spoken(reference, 0.9)])[0]
    surface = Surface(reference.planes, patch.region)
    still = np.zeros((2, patch.region.height, patch.region.width), np.float32)
    own = samples(reference.planes, patch.region)
    pixels = surface.moved(still, patch.region)
    assert np.array_equal(pixels.luma, own.luma)
    assert np.array_equal(pixels.chroma, own.chroma)


def test_whole_pixels_of_movement_fetch_whole_pixels(reference):
    region = FaceBox(100, 100, 160, 140)
    move = np.stack([np.full((40, 60), by, np.float32) for by in (4, -2)])
    pixels = Surface(reference.planes, region).moved(move, region)
    own = samples(reference.planes, FaceBox(104, 98, 164, 138))
    assert np.array_equal(pixels.luma[2:, :-4], own.luma[2:, :-4])
    assert np.array_equal(pixels.chroma[0, 1:, :-2], own.chroma[0, 1:, :-2])


class GivenReadings(LipReader):
    """Readings are given instead of read off pictures; a mouth stands for its place in them."""

    given: np.ndarray

    def read(self, rest, mouth):
        return self.given[int(mouth)]

    def calibrated(self):
        rest = RestMouth(np.zeros(2, np.float32), *[np.zeros(1, np.float32)] * 3)
        return self.calibrate(rest, [np.array(place, np.uint8) for place in range(len(self.given))])


def test_a_face_that_shows_half_of_its_movements_speaks_like_one_that_shows_all():
    reader = GivenReadings()
    reader.given = 0.5 * reader.known
    assert np.abs(reader.given @ reader.calibrated() - reader.known).max() < 0.01


def test_a_generator_that_moves_quite_differently_gets_one_factor():
    reader = GivenReadings()
    reader.given = np.roll(reader.known, 3, axis=0) @ np.roll(reader.uncalibrated, 2, axis=0)
    calibration = reader.calibrated()
    assert np.array_equal(calibration, calibration[0, 0] * reader.uncalibrated)


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


def test_splines_bend_a_thin_plate():
    chance = np.random.default_rng(0)
    points = chance.uniform(-1, 1, (60, 2)).astype(np.float32)
    at = chance.uniform(-1, 1, (200, 2)).astype(np.float32)
    moved = chance.normal(0, 0.05, points.shape)
    stiffness = np.full(60, 1e-4)
    spline = Spline(spline_system(points, stiffness), points, kernel(at, points), at)
    # The textbook's equations: bends, a plane, and no bend that is itself a plane.
    plane = np.column_stack([np.ones(60), points])
    bends = kernel(points, points).astype(np.float64) + np.diag(stiffness)
    equations = np.block([[bends, plane], [plane.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(equations, np.concatenate([moved, np.zeros((3, 2))]))
    exact = np.column_stack([kernel(at, points), np.ones(200), at]) @ weights
    # The first movement is solved by itself, the second by the matrix kept from then on. In units
    # of the distance between the eyes: a hundredth of a pixel on a face of 600.
    for spread in (spline.spread(moved), spline.spread(moved)):
        assert np.abs(spread - exact).max() < 3e-5
