import cv2
import numpy as np
import pytest

from runtime.opacity import continued, on_black
from runtime.planes import to_bgr, to_planes
from runtime.video import read_image

SIZE = (64, 96)


def disc():
    """A soft-edged disc: opaque inside, transparent outside."""
    alpha = np.zeros(SIZE, np.uint8)
    cv2.circle(alpha, (48, 32), 20, 255, -1)
    return np.asarray(cv2.GaussianBlur(alpha, (5, 5), 0), np.uint8)


def hidden_black():
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[disc() > 0] = (60, 120, 200)
    return frame


def test_colours_go_on_where_they_are_not_seen():
    beside = (disc() < 8) & (cv2.dilate(disc(), np.ones((5, 5))) > 0)
    frame = continued(hidden_black(), disc())
    assert np.abs(frame[beside].astype(int) - (60, 120, 200)).max() <= 4


def test_what_is_seen_keeps_every_bit():
    frame = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    seen = disc() >= 8
    np.testing.assert_array_equal(continued(frame, disc())[seen], frame[seen])


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_that_is_seen_wholly_or_not_at_all_stays_as_it_is(level):
    frame = hidden_black()
    np.testing.assert_array_equal(continued(frame, np.full(SIZE, level, np.uint8)), frame)


def test_an_image_is_read_with_its_colours_going_on():
    _, content = cv2.imencode(".png", np.dstack([hidden_black(), disc()]))
    np.testing.assert_array_equal(read_image(content.tobytes()), continued(hidden_black(), disc()))


def test_before_black_a_picture_is_as_dark_as_it_is_transparent():
    frame = np.full((*SIZE, 3), (60, 120, 200), np.uint8)
    shown = to_bgr(on_black(to_planes(frame), disc()))
    expected = frame * (disc()[..., None] / 255)
    is_even = cv2.erode(disc(), np.ones((5, 5))) == cv2.dilate(disc(), np.ones((5, 5)))
    assert np.abs(shown - expected)[is_even].max() <= 4
    assert np.abs(shown - expected).mean() < 3
