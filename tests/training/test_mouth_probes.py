"""The laws of choosing the sounds by which a face gets known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.mouth_probes import choose  # noqa: E402 - needs torch


@pytest.fixture
def opening():
    return np.abs(np.sin(np.linspace(0, 9, 200))).astype(np.float32)


def test_probes_go_from_nearly_closed_to_wide_open(opening):
    places = choose(opening[:, None], opening)
    assert len(set(places.tolist())) == 8
    assert np.all(np.diff(opening[places]) > 0)
    assert opening[places[0]] < 0.3
    assert opening[places[-1]] > 0.95


def test_of_two_moments_alike_the_steadier_is_a_probe(opening):
    read = np.stack([opening, np.zeros_like(opening)], 1)
    read[::2, 1] = 1.0
    read[100:, 1] = 0.5
    places = choose(read, opening)
    assert (places > 100).sum() >= 7
