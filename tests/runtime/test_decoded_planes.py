"""From decoded frames to planes without a detour through BGR."""

import io

import av
import numpy as np
import pytest

from runtime.planes import split_planes
from runtime.video import read_pictures
from tests.runtime.video_samples import colourful, encode_film


def decoded(film):
    with av.open(io.BytesIO(film), "r") as container:
        return next(container.decode(video=0))


def planes(film):
    found = next(read_pictures(film)).planes
    assert found is not None
    return found


def colours(frame, matrix, *, is_full):
    """The RGB colour of every 2 x 2 block by the formulas of BT.601 or BT.709, in floats."""
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    luma, u, v = (plane.astype(float) for plane in split_planes(frame.to_ndarray()))
    luma = luma[::2, ::2] / 255 if is_full else (luma[::2, ::2] - 16) / 219
    u, v = ((plane - 128) / (255 if is_full else 224) for plane in (u, v))
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    return np.stack([r, (luma - red * r - blue * b) / (1 - red - blue), b])


def planes_of(colour):
    """The BT.601 planes of limited range of RGB colours, in floats."""
    r, g, b = colour
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    return 16 + 219 * luma, 128 + 224 * (b - luma) / 1.772, 128 + 224 * (r - luma) / 1.402


def test_a_film_of_the_engines_own_format_keeps_every_bit():
    film = encode_film([colourful()], codec="libx264", colorspace=6)
    np.testing.assert_array_equal(planes(film), decoded(film).to_ndarray())


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("is_full", [False, True])
def test_another_matrix_or_range_keeps_the_colours(matrix, is_full):
    pix_fmt = "yuvj420p" if is_full else "yuv420p"
    film = encode_film([colourful()], codec="libx264", colorspace=matrix, pix_fmt=pix_fmt)
    luma, u, v = split_planes(planes(film))
    wanted = planes_of(colours(decoded(film), matrix, is_full=is_full))
    for found, expected in zip((luma[::2, ::2], u, v), wanted, strict=True):
        # Half a level of rounding, and a seventh where luma takes from chroma.
        assert np.abs(found - expected).max() < 0.7


@pytest.mark.parametrize(("counterclockwise", "quarter_turns"), [(90, 1), (180, 2), (-90, -1)])
def test_planes_are_turned_upright(counterclockwise, quarter_turns):
    plain = planes(encode_film([colourful()]))
    turned = planes(encode_film([colourful()], rotation=counterclockwise))
    for stored, upright in zip(split_planes(plain), split_planes(turned), strict=True):
        np.testing.assert_array_equal(upright, np.rot90(stored, quarter_turns))


@pytest.mark.parametrize(
    "options", [{"resize_factor": 2}, {"rotate": True}, {"crop": (0, 32, 0, 32)}]
)
def test_an_edited_picture_leaves_no_planes_of_the_whole_one(options):
    assert next(read_pictures(encode_film([colourful()]), **options)).planes is None
