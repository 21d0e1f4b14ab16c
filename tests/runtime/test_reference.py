from itertools import islice, pairwise

import pytest

from runtime.reference import reference_order


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("pingpong", [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]),
        ("repeat", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
        ("hold", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_the_order_never_ends_and_shows_no_end_frame_twice_in_a_row(loop, expected):
    assert list(islice(reference_order(4, loop), 10)) == expected


@pytest.mark.parametrize("loop", ["pingpong", "repeat", "hold"])
def test_a_still_image_is_a_video_of_one_frame(loop):
    assert list(islice(reference_order(1, loop), 3)) == [0, 0, 0]


def test_neighbours_in_pingpong_differ_by_one_frame():
    order = list(islice(reference_order(7, "pingpong"), 50))
    assert all(abs(a - b) == 1 for a, b in pairwise(order))
