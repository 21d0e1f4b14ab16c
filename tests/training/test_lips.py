import numpy as np

from training.lips import CORNERS, INNER_LOWER, INNER_UPPER, LIP_POINTS, MIRRORED, openings


def _mouth(gap: float, width: float = 40.0) -> np.ndarray:
    lips = np.zeros((1, len(LIP_POINTS), 2), np.float32)
    lips[0, CORNERS[1], 0] = width
    lips[0, INNER_LOWER, 1] = gap
    return lips


def test_opening_is_the_gap_in_parts_of_the_width() -> None:
    assert np.allclose(openings(_mouth(10.0)), 0.25)


def test_opening_does_not_depend_on_the_unit_of_length() -> None:
    assert np.allclose(openings(_mouth(10.0) * 3), openings(_mouth(10.0)))


def test_mirroring_twice_gives_the_points_back() -> None:
    points = np.arange(len(LIP_POINTS))
    assert (points[list(MIRRORED)][list(MIRRORED)] == points).all()


def test_mirroring_swaps_the_corners_and_keeps_the_middle() -> None:
    assert MIRRORED[CORNERS[0]] == CORNERS[1]
    assert LIP_POINTS[MIRRORED[LIP_POINTS.index(13)]] == 13


def test_inner_points_lie_above_each_other() -> None:
    upper = [LIP_POINTS[place] for place in INNER_UPPER]
    lower = [LIP_POINTS[place] for place in INNER_LOWER]
    assert list(zip(upper, lower, strict=True))[2] == (13, 14)
