from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.gain import choose_gain, with_gain  # noqa: E402
from training.network import TrainedNetwork  # noqa: E402


def _first_layer(network: TrainedNetwork, vectors: Any) -> Any:
    layer = network.body.get_submodule("face_decoder_blocks.0.0.conv_block.0")
    with torch.no_grad():
        return layer(vectors[:, :, None, None])


def test_a_gain_moves_sound_vectors_away_from_their_mean() -> None:
    torch.manual_seed(0)
    network = TrainedNetwork(0.0625, 0.0625).eval()
    vectors = torch.rand(5, 32)
    mean = vectors.mean(0)
    wider = with_gain(network, mean, 1.9)
    moved = mean + 1.9 * (vectors - mean)
    assert torch.allclose(_first_layer(wider, vectors), _first_layer(network, moved), atol=1e-5)


def test_a_gain_of_one_changes_nothing_and_none_touches_the_original() -> None:
    network = TrainedNetwork(0.0625, 0.0625)
    before = {k: v.clone() for k, v in network.body.state_dict().items()}
    same = with_gain(network, torch.rand(32), 1.0).body.state_dict()
    with_gain(network, torch.rand(32), 2.0)
    assert all(torch.equal(same[name], value) for name, value in before.items())
    after = network.body.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_gain_is_found_by_measuring() -> None:
    tried = []

    def slope_at(gain: float) -> float:
        tried.append(gain)
        return float(np.tanh(0.6 * gain))

    gain = choose_gain(slope_at, wanted=0.9)
    assert np.tanh(0.6 * gain) == pytest.approx(0.9, abs=0.02)
    assert len(tried) <= 4


def test_a_gain_stays_in_bounds_when_nothing_helps() -> None:
    assert choose_gain(lambda gain: 0.1) <= 3
