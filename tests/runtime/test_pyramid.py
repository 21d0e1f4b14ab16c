"""Laws of a picture in several sizes."""

import numpy as np
import pytest

from runtime.faces.facemesh import Roi, read_in
from runtime.planes import to_bgr, to_planes
from runtime.pyramid import Pyramid


@pytest.fixture
def frame():
    coarse = np.random.default_rng(0).integers(40, 200, (45, 80, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))


def test_the_whole_picture_is_the_one_that_was_given(frame):
    planes = to_planes(frame)
    assert Pyramid(frame).whole is frame
    assert Pyramid(planes).planes is planes
    assert np.array_equal(Pyramid(planes).whole, to_bgr(planes))
    assert Pyramid(planes).size == Pyramid(frame).size == (360, 640)


@pytest.mark.parametrize("side", [50, 95, 96, 191, 192, 600])
def test_a_view_is_the_smallest_with_enough_pixels(frame, side):
    step = Pyramid(frame).near(side, 48).step
    assert side / step >= 48
    assert side / (2 * step) < 48 or step == 4


@pytest.mark.parametrize("picture", [lambda frame: frame, to_planes])
def test_a_pixel_of_a_view_is_the_mean_of_those_it_stands_for(frame, picture):
    pyramid = Pyramid(picture(frame))
    view = pyramid.near(640, 160)
    means = pyramid.whole.reshape(90, 4, 160, 4, 3).mean(axis=(1, 3))
    assert view.step == 4
    # Blocks are of one colour: what is left is rounding, of planes and of two halvings.
    assert np.abs(view.frame - means).max() <= 3


def test_sides_that_cannot_be_halved_evenly_stay_as_they_are():
    assert Pyramid(np.zeros((90, 160, 3), np.uint8)).near(160, 8).step == 1


def test_places_come_back_from_a_view_where_they_were(frame):
    points = np.random.default_rng(0).uniform(0, 360, (7, 2)).astype(np.float32)
    view = Pyramid(frame).near(600, 100)
    assert view.outside(view.inside(points)) == pytest.approx(points)
    assert view.outside(np.zeros(2)) == pytest.approx([1.5, 1.5])


def test_landmarks_read_in_a_view_are_places_of_the_picture(frame):
    frame[100:140, 200:240] = 255

    def brightest(image, roi):
        assert image.shape[0] < frame.shape[0]
        assert (roi.x, roi.y) == pytest.approx(
            np.array([219.5, 119.5]) * image.shape[0] / 360, abs=1
        )
        y, x = np.nonzero(image.min(axis=2) > 240)
        return 1.0, np.array([[x.mean(), y.mean()]], np.float32)

    _, (place,) = read_in(Pyramid(frame), Roi(219.5, 119.5, 400.0), brightest)
    assert place == pytest.approx([219.5, 119.5], abs=0.01)


def test_a_reduced_picture_is_the_view_before_conversion(frame):
    for picture in (frame, to_planes(frame)):
        reduced, step = Pyramid(picture).reduced(640, 160)
        view = Pyramid(picture).near(640, 160)
        assert (step, reduced.ndim) == (view.step, picture.ndim)
        shown = to_bgr(reduced) if reduced.ndim == 2 else reduced
        assert np.array_equal(shown, view.frame)
