import numpy as np
import pytest

from runtime.planes import patch_bgr, render, shown_planes, split_planes, to_bgr, to_planes
from runtime.types import FaceBox, Patch
from tests.runtime.video_samples import colourful, reference, still

REGION = FaceBox(20, 10, 60, 40)


def noisy_patch(touched):
    pixels = np.random.default_rng(1).integers(0, 255, (30, 40, 3), np.uint8)
    return Patch(reference(colourful()), REGION, pixels, touched)


def test_a_region_converts_to_the_same_bits_as_the_whole():
    planes = to_planes(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    np.testing.assert_array_equal(to_bgr(planes, REGION), to_bgr(planes)[10:40, 20:60])


def test_a_frame_survives_planes_closely():
    frame = colourful()
    assert np.abs(to_bgr(to_planes(frame)).astype(int) - frame).max() <= 6


def test_render_shows_touched_pixels_and_keeps_the_rest():
    touched = np.random.default_rng(2).random((30, 40)) > 0.5
    patch = noisy_patch(touched)
    expected = to_bgr(patch.reference.planes)
    expected[10:40, 20:60][touched] = patch.pixels[touched]
    np.testing.assert_array_equal(render(patch), expected)


def test_render_of_an_empty_region_is_the_reference_frame():
    patch = still(colourful())
    np.testing.assert_array_equal(render(patch), to_bgr(patch.reference.planes))


def test_a_fully_touched_patch_writes_its_own_planes():
    patch = noisy_patch(np.ones((30, 40), np.bool_))
    np.testing.assert_array_equal(
        to_bgr(shown_planes(patch), REGION), to_bgr(to_planes(patch.pixels))
    )


@pytest.mark.parametrize("whole", [True, False])
def test_a_patch_of_planes_is_written_like_the_same_patch_of_pixels(whole):
    touched = np.random.default_rng(3).random((30, 40)) > (0.0 if whole else 0.5)
    patch = noisy_patch(touched)
    in_planes = patch._replace(pixels=to_planes(patch.pixels))
    np.testing.assert_array_equal(shown_planes(in_planes), shown_planes(patch))
    assert render(in_planes).shape == render(patch).shape
    np.testing.assert_array_equal(patch_bgr(in_planes), to_bgr(to_planes(patch.pixels)))


def test_untouched_pixels_keep_their_bits():
    touched = np.zeros((30, 40), np.bool_)
    touched[10:20, 10:20] = True
    patch = noisy_patch(touched)
    changed = shown_planes(patch) != patch.reference.planes
    luma, chroma_u, chroma_v = split_planes(changed)
    assert luma[20:30, 30:40].any()
    luma[20:30, 30:40] = chroma_u[10:15, 15:20] = chroma_v[10:15, 15:20] = False
    assert not changed.any()


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_chroma_is_written_where_any_of_its_four_pixels_is_touched(corner):
    touched = np.zeros((30, 40), np.bool_)
    touched[corner] = True
    patch = noisy_patch(touched)
    chroma_u, new_u = split_planes(shown_planes(patch))[1], split_planes(to_planes(patch.pixels))[1]
    assert chroma_u[5, 10] == new_u[0, 0]
