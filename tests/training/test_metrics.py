import numpy as np
import pytest

from training import metrics
from training.phones import Phone

RNG = np.random.default_rng(0)
BOXES = np.array([[10, 60, 80, 90]] * 3)
PICTURES = RNG.uniform(0, 255, (3, 96, 96, 3)).astype(np.float32)


def test_a_perfect_copy_has_no_error() -> None:
    assert metrics.mouth_l1(PICTURES, PICTURES, BOXES) == 0
    assert metrics.mouth_psnr(PICTURES, PICTURES, BOXES) > 100


def test_errors_outside_the_mouth_do_not_count() -> None:
    changed = PICTURES.copy()
    changed[:, :50] = 0
    assert metrics.mouth_l1(changed, PICTURES, BOXES) == 0


def test_blur_lowers_the_gradient_energy() -> None:
    blurred = np.asarray((PICTURES + np.roll(PICTURES, 1, axis=2)) / 2, np.float32)
    assert metrics.gradient_energy(blurred, BOXES) < metrics.gradient_energy(PICTURES, BOXES)


def test_slope_and_correlation_of_a_halved_motion() -> None:
    truth = RNG.uniform(0, 0.5, 50).astype(np.float32)
    halved = np.asarray(truth / 2 + 0.1, np.float32)
    assert metrics.slope(halved, truth) == pytest.approx(0.5, rel=1e-4)
    assert metrics.correlation(halved, truth) == pytest.approx(1.0, rel=1e-4)


def test_a_still_mouth_correlates_with_nothing() -> None:
    truth = RNG.uniform(0, 0.5, 50).astype(np.float32)
    assert metrics.correlation(np.zeros_like(truth), truth) == 0


def test_landmark_distance_forgives_a_common_shift() -> None:
    lips = RNG.uniform(0, 40, (5, 40, 2)).astype(np.float32)
    assert metrics.landmark_distance(lips + 3, lips) == pytest.approx(0, abs=1e-6)


def test_a_phone_is_looked_for_a_frame_before_and_after() -> None:
    assert metrics.frames_around(Phone("b", 0.40, 0.44), 25, 50) == slice(9, 12)
    assert metrics.frames_around(Phone("b", 0.0, 0.04), 25, 50) == slice(0, 2)
    assert metrics.frames_around(Phone("p", 1.96, 2.0), 25, 50) == slice(48, 50)


def test_motion_is_measured_inside_the_spans_alone() -> None:
    openings = np.zeros(50, np.float32)
    openings[30:] = RNG.uniform(0, 1, 20)
    assert metrics.motion(openings, [(0.0, 1.0)], 25) == 0
    assert metrics.motion(openings, [(1.3, 1.9)], 25) > 0
    assert np.isnan(metrics.motion(openings, [], 25))


def test_mouth_boxes_stay_inside_the_picture() -> None:
    lips = RNG.uniform(-10, 120, (4, 40, 2)).astype(np.float32)
    boxes = metrics.mouth_boxes(lips, 96)
    assert boxes.min() >= 0
    assert boxes.max() <= 96
