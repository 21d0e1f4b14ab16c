"""Laws of cutting a face out and putting it back."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from runtime import crops
from runtime.types import FaceBox


@pytest.fixture
def frame():
    rows, columns = np.mgrid[0:240, 0:320].astype(np.float32)
    waves = [
        127 + 100 * np.sin(columns / 19 + rows / 31),
        127 + 100 * np.cos(rows / 23),
        127 + 100 * np.sin((columns - rows) / 41),
    ]
    return np.stack(waves, axis=2).astype(np.uint8)


def test_an_upright_crop_is_the_resized_slice_to_the_bit(frame):
    crop = crops.cut_crop(frame, FaceBox(40, 30, 200, 220))
    expected = cv2.resize(frame[30:220, 40:200], (96, 96), interpolation=cv2.INTER_AREA)
    assert np.array_equal(crop, expected)


def test_a_small_face_is_enlarged_linearly(frame):
    crop = crops.cut_crop(frame, FaceBox(40, 30, 80, 80))
    expected = cv2.resize(frame[30:80, 40:80], (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(crop, expected)


def test_a_face_of_the_networks_size_is_copied(frame):
    crop = crops.cut_crop(frame, FaceBox(40, 30, 136, 126))
    assert np.array_equal(crop, frame[30:126, 40:136])
    assert not np.shares_memory(crop, frame)


def test_a_tilted_picture_is_cut_as_if_it_had_been_upright(frame):
    box = FaceBox(90, 60, 230, 180)
    centre = ((box.x1 + box.x2 - 1) / 2, (box.y1 + box.y2 - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, -20.0, 1.0)
    tilted = cv2.warpAffine(frame, turn, (320, 240), borderMode=cv2.BORDER_REPLICATE)
    crop = crops.cut_crop(np.asarray(tilted, np.uint8), box, 20.0)
    difference = np.abs(crop.astype(int) - crops.cut_crop(frame, box))
    assert difference.mean() < 2


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, 60).filter(lambda angle: abs(angle) > 0.5))
def test_pasting_back_what_was_cut_changes_nothing_but_interpolation(angle):
    rows, columns = np.mgrid[0:240, 0:320]
    frame = np.stack([(rows + columns) // 3, rows // 2 + 40, 200 - columns // 2], axis=2)
    frame = frame.astype(np.uint8)
    box = FaceBox(100, 70, 221, 171)
    patch = crops.upright_patch(frame, box, angle)
    pasted = crops.paste_upright(frame, patch, box, angle)
    assert np.abs(pasted.astype(int) - frame).max() <= 3


def test_pasting_upright_replaces_exactly_the_box(frame):
    box = FaceBox(100, 70, 221, 171)
    patch = np.zeros((101, 121, 3), np.uint8)
    pasted = crops.paste_upright(frame, patch, box)
    expected = frame.copy()
    expected[70:171, 100:221] = 0
    assert np.array_equal(pasted, expected)


def test_pixels_under_a_zero_mask_are_untouched(frame):
    box = FaceBox(100, 70, 221, 171)
    patch = np.zeros((101, 121, 3), np.uint8)
    mask = np.zeros((101, 121), np.float32)
    assert np.array_equal(crops.paste_upright(frame, patch, box, 17.0, mask), frame)


@settings(max_examples=60, deadline=None)
@given(st.integers(-50, 300), st.integers(-50, 220), st.floats(-180, 180))
def test_the_region_of_a_turned_box_is_even_and_inside_the_frame(x, y, angle):
    region = crops.upright_region(FaceBox(x, y, x + 61, y + 83), angle, (240, 320))
    assert all(edge % 2 == 0 for edge in region)
    assert 0 <= region.x1 < region.x2 <= 320
    assert 0 <= region.y1 < region.y2 <= 240


def test_the_region_of_an_even_upright_box_is_the_box():
    box = FaceBox(10, 20, 110, 140)
    assert crops.upright_region(box, 0.0, (240, 320)) == box
    assert crops.upright_region(box, 180.0, (240, 320)) == box


@pytest.mark.parametrize("size", [(400, 384), (602, 504), (1000, 1200)])
def test_a_large_face_is_averaged_as_if_at_once(size):
    coarse = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    patch = np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    at_once = cv2.resize(patch, (96, 96), interpolation=cv2.INTER_AREA)
    # Rounded twice, and a pixel cut by a crop pixel's edge counts by halves.
    assert np.abs(crops.resize_crop(patch).astype(int) - at_once).mean() < 0.7


def test_a_face_of_odd_sides_is_averaged_at_once(frame):
    patch = frame.repeat(3, axis=0).repeat(2, axis=1)[:601, :503]
    at_once = cv2.resize(patch, (96, 96), interpolation=cv2.INTER_AREA)
    assert np.array_equal(crops.resize_crop(patch), at_once)
