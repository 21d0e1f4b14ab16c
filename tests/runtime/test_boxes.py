"""Laws of box arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from runtime import boxes
from runtime.boxes import Pads
from runtime.types import FaceBox

numbers = st.integers(-500, 2500)
sides = st.integers(1, 900)
any_box = st.builds(lambda x, y, w, h: FaceBox(x, y, x + w, y + h), numbers, numbers, sides, sides)
any_size = st.tuples(st.integers(1, 2000), st.integers(1, 2000))


@given(any_box, any_size)
def test_a_clipped_box_lies_inside_the_frame_and_is_never_empty(box, size):
    clipped = boxes.clip(box, size)
    assert 0 <= clipped.x1 < clipped.x2 <= size[1]
    assert 0 <= clipped.y1 < clipped.y2 <= size[0]


@given(any_box)
def test_a_box_inside_the_frame_is_clipped_to_itself(box):
    inside = FaceBox(600, 600, 600 + box.width, 600 + box.height)
    assert boxes.clip(inside, (2000, 2000)) == inside


@given(any_box, st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_padding_back_restores_the_box(box, top, bottom, left, right):
    padded = boxes.pad(box, Pads(top, bottom, left, right))
    assert boxes.pad(padded, Pads(-top, -bottom, -left, -right)) == box


@given(any_box, any_box)
def test_overlap_is_symmetric_and_between_zero_and_one(first, second):
    overlap = boxes.iou(first, second)
    assert 0 <= overlap <= 1
    assert overlap == boxes.iou(second, first)
    assert boxes.iou(first, first) == pytest.approx(1)


@given(any_box)
def test_a_square_keeps_the_centre_within_a_pixel(box):
    squared = boxes.square(box, 1.5)
    assert squared.width == squared.height
    assert abs(squared.x1 + squared.x2 - box.x1 - box.x2) <= 2
    assert abs(squared.y1 + squared.y2 - box.y1 - box.y2) <= 2


def test_suppression_keeps_the_best_of_each_group():
    stacked = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float64)
    kept = boxes.suppress_overlaps(stacked, np.array([0.6, 0.9, 0.7]), 0.3)
    assert kept.tolist() == [1, 2]


def test_suppression_of_nothing_is_nothing():
    assert boxes.suppress_overlaps(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(0, 59), max_size=4))
def test_runs_cover_exactly_the_frames_with_a_face(flags, cuts):
    present = np.array(flags)
    covered = np.zeros(len(flags), bool)
    for first, last in boxes.runs(present, cuts):
        assert not any(first < cut < last for cut in cuts)
        covered[first:last] = True
    assert np.array_equal(covered, present)


def test_short_gaps_are_interpolated_and_long_ones_are_not():
    track = np.array([[0.0], [9.0], [9.0], [3.0], [9.0], [9.0], [9.0], [7.0]])
    present = np.array([True, False, False, True, False, False, False, True])
    filled, known = boxes.fill_gaps(track, present, longest=2)
    assert filled[:4, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert known.tolist() == [True, True, True, True, False, False, False, True]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_gap_with_a_shot_change_stays_open(cut):
    present = np.array([True, False, False, True])
    _, known = boxes.fill_gaps(np.zeros((4, 1)), present, longest=5, cuts=[cut])
    assert known.tolist() == present.tolist()


@settings(max_examples=50)
@given(
    st.integers(1, 80),
    st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
    st.floats(40, 400),
)
def test_a_steadily_moving_box_is_followed_without_lag(count, speed, side):
    centres = np.zeros((count, 4))
    centres[:, :2] = np.outer(np.arange(count), speed) + 500
    centres[:, 2:] = side
    moving = boxes.to_corners(centres)
    smoothed = boxes.smooth_boxes(moving, np.ones(count, bool))
    assert smoothed == pytest.approx(moving, abs=1e-6)


def test_reversing_time_reverses_the_smoothed_track():
    track = boxes.to_corners(np.random.default_rng(0).normal((300, 300, 99, 99), 4, (50, 4)))
    present = np.ones(50, bool)
    forwards = boxes.smooth_boxes(track, present)
    backwards = boxes.smooth_boxes(track[::-1], present)[::-1]
    assert forwards == pytest.approx(backwards)


def test_jitter_of_a_resting_face_shrinks_to_a_third():
    noise = np.random.default_rng(0).normal(0, 0.5, (400, 4))
    resting = np.array([100, 100, 300, 300])
    steady = boxes.smooth_boxes(noise + resting, np.ones(400, bool))
    assert steady.std(axis=0).max() < noise.std() / 3


def test_a_fast_nod_keeps_its_amplitude():
    nod = 12 * np.sin(np.arange(100) * 2 * np.pi / 20)
    centres = np.stack([np.full(100, 300.0), 300 + nod, np.full(100, 200.0), np.full(100, 200.0)])
    steady = boxes.to_centres(boxes.smooth_boxes(boxes.to_corners(centres.T), np.ones(100, bool)))
    assert np.abs(steady[10:-10, 1] - 300).max() > 0.95 * 12


def test_a_jerk_is_followed_at_once():
    left = np.repeat([0.0, 35.0], 40)
    track = np.stack([left, 0 * left, left + 150, 0 * left + 200], axis=1)
    followed = boxes.smooth_boxes(track, np.ones(80, bool))
    assert np.abs(followed - track).max() < 6


def test_nothing_is_mixed_across_a_shot_change():
    track = np.repeat([[0.0, 0, 100, 100], [500.0, 300, 900, 700]], 20, axis=0)
    steady = boxes.smooth_boxes(track, np.ones(40, bool), cuts=[20])
    assert steady == pytest.approx(track)


def test_rows_without_a_face_are_left_alone():
    track = np.full((10, 4), np.nan)
    track[3:7] = [0, 0, 50, 50]
    present = ~np.isnan(track[:, 0])
    steady = boxes.smooth_boxes(track, present)
    assert steady == pytest.approx(track, nan_ok=True)
