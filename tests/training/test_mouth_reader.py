"""The laws of training the mouth reader."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.mouth_reader import Sample, Samples, fit  # noqa: E402 - needs torch


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    faces = rng.random((4, 1680), np.float32)
    direction = rng.standard_normal(1680).astype(np.float32)
    opens = np.zeros((4, 11, 2), np.float32)
    opens[[1, 3], 1:10, 1] = 1
    made = []
    for number in range(64):
        face, amount = faces[number % 4], np.float32(rng.random() * 0.2)
        noise = rng.normal(0, 0.01, 1680).astype(np.float32)
        motion = amount * opens + rng.normal(0, 0.002, (4, 11, 2))
        patch = face + amount * direction + noise
        made.append(Sample(patch, face, motion.reshape(-1).astype(np.float32), 1.0))
    return Samples.of(made)


def test_mirrored_samples_are_added(samples):
    pictures = samples.patches.reshape(-1, 20, 28, 3)
    motions = samples.motions.reshape(-1, 4, 11, 2)
    assert np.array_equal(pictures[64], pictures[0, :, ::-1])
    assert np.array_equal(motions[64, :, :, 1], motions[0, :, ::-1, 1])
    assert np.array_equal(motions[64, :, :, 0], -motions[0, :, ::-1, 0])


def test_the_fit_has_what_the_runtime_loads(samples):
    arrays = fit(samples, epochs=1)
    assert arrays["change_basis"].shape == (1680, 48)
    assert arrays["face_basis"].shape == (1680, 12)
    assert arrays["motion_basis"].shape == (8, 4, 11, 2)
    assert arrays["w2"].shape == (32, 8)
    assert all(np.isfinite(array).all() for array in arrays.values())
