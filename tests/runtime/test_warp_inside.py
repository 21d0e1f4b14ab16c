"""The laws of the light inside a warped mouth."""

import numpy as np
import pytest

from runtime.blending.lips import apply_affine
from runtime.blending.warp.inside import GRID, InsideLight
from runtime.blending.warp.picture import WarpPicture
from runtime.planes import patch_bgr, split_planes
from tests.runtime.painted_face import painted_reference


def opened(by):
    motion = np.zeros((4, 11, 2), np.float32)
    arch = np.sin(np.linspace(0, np.pi, 11))
    motion[[1, 3], :, 1] = 0.7 * by * arch
    motion[[0, 2], :, 1] = -0.3 * by * arch
    return motion


def test_the_wider_a_mouth_opens_the_more_light_falls_on_its_teeth():
    inside = InsideLight()
    lit = [inside.of(opened(by))[2:6, 8:12].mean() for by in (0.06, 0.12, 0.2)]
    assert lit[0] < lit[1] < lit[2]
    assert lit[0] < 0.6 * lit[2]


def test_between_closed_lips_it_is_dark():
    assert InsideLight().of(opened(0.0)).max() == 0


def test_the_corners_of_an_open_mouth_are_darker_than_its_middle():
    light = InsideLight().of(opened(0.2))
    assert light.shape == GRID
    assert light[:, [0, 1, -2, -1]].mean() < 0.5 * light[:, 8:12].mean()


def test_light_stays_within_what_teeth_can_throw_back_however_lips_move():
    chance = np.random.default_rng(0)
    for _ in range(20):
        light = InsideLight().of(chance.normal(0, 0.5, (4, 11, 2)).astype(np.float32))
        assert light.min() >= 0
        assert light.max() <= 1


@pytest.mark.parametrize("column", [6, 13])
def test_teeth_are_bright_where_the_light_falls(column):
    picture = WarpPicture(painted_reference())
    pose = picture.shape.pose(opened(0.2))
    left, right = apply_affine(picture.shape.to_frame, pose.upper[3])[[0, -1], 0]
    shown = []
    for level in (0.2, 0.9):
        light = np.full(GRID, 0.2, np.float32)
        light[:, column - 1 : column + 2] = level
        patch = picture.render(pose, light)
        shown.append(split_planes(patch.pixels)[0].astype(int))
    brighter = shown[1] - shown[0]
    assert brighter.max() > 50
    place = patch.region.x1 + np.flatnonzero((brighter > 20).any(0)).mean()
    cell = float(right - left) / GRID[1]
    assert place == pytest.approx(left + (column + 0.5) * cell, abs=0.6 * cell)


def test_what_is_behind_the_teeth_is_brighter_at_the_bottom_and_red():
    picture = WarpPicture(painted_reference())
    pose = picture.shape.pose(opened(0.4))
    patch = picture.render(pose, np.ones(GRID, np.float32))
    upper, lower = (
        apply_affine(picture.shape.to_frame, rows[3]) for rows in (pose.upper, pose.lower)
    )
    x = int(upper[5, 0]) - patch.region.x1
    top, bottom = (int(rows[5, 1]) - patch.region.y1 for rows in (upper, lower))
    column = patch_bgr(patch)[(top + bottom) // 2 : bottom - 3, x].astype(int)
    darkest, lowest = column[column.sum(1).argmin()], column[-1]
    assert lowest.sum() > darkest.sum() + 20
    assert lowest[2] > lowest[1] + 10
