"""The laws of learning what is seen inside a mouth."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from runtime.blending.warp.inside import GRID, InsideLight  # noqa: E402 - needs torch
from tests.training.tiny_corpus import CENTRE, HALF_WIDTH, lips  # noqa: E402
from training.corpus import Clip, ClipEntry  # noqa: E402
from training.mouth_inside import Mouths, fit, inside_light  # noqa: E402

ROWS, COLUMNS = GRID


def clip_with_teeth(gap):
    """An open mouth, dark but for a white row in the upper half of its left side."""
    x, y = (int(side) for side in CENTRE)
    frame = np.full((128, 128, 3), 40, np.uint8)
    frame[y - int(gap / 2) : y, x - int(HALF_WIDTH) : x] = 200
    entry = ClipEntry("face", "train", "sound", 1)
    return Clip(entry, frame[None], lips(gap)[None].astype(np.float32))


def test_the_brightest_teeth_are_one_and_sides_are_averaged():
    light = inside_light(clip_with_teeth(16), np.array([0]))
    assert light.shape == (1, ROWS, COLUMNS)
    assert np.array_equal(light, light[..., ::-1])
    upper, lower = light[0, 1:3, 4:9], light[0, 5:7, 4:9]
    assert upper == pytest.approx((1 + 40 / 200) / 2, abs=0.02)
    assert lower == pytest.approx(40 / 200, abs=0.02)


@pytest.fixture(scope="module")
def mouths():
    chance = np.random.default_rng(0)
    amounts = chance.uniform(0.05, 0.25, 600).astype(np.float32)
    opens = np.zeros((4, 11, 2), np.float32)
    opens[[1, 3], 1:10, 1] = 1
    noise = chance.normal(0, 0.003, (600, 88))
    motions = (amounts[:, None] * opens.reshape(1, -1) + noise).astype(np.float32)
    light = np.broadcast_to((0.4 + 2.4 * amounts)[:, None, None], (600, *GRID))
    return Mouths(motions, np.asarray(light, np.float32))


def test_light_that_follows_the_opening_is_learned(mouths):
    inside = InsideLight(fit(mouths, epochs=30))
    order = np.argsort(mouths.light[:, 0, 0])
    dim, bright = (inside.of(mouths.motions[i].reshape(4, 11, 2)) for i in order[[60, -60]])
    assert bright.mean() > dim.mean() + 0.3
