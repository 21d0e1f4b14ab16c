from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch")

from training.network import (  # noqa: E402
    FIRST_EXACT_ROW,
    FIRST_LOW_ROW,
    TrainedNetwork,
    face_input,
    save,
    with_hearing,
)


@pytest.fixture(scope="module")
def network() -> TrainedNetwork:
    torch.manual_seed(0)
    return TrainedNetwork(0.0625, 0.0625).eval()


@pytest.fixture(scope="module")
def samples() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96)


def test_the_lower_half_alone_is_the_same_as_in_the_whole_picture(
    network: TrainedNetwork, samples: tuple[Tensor, Tensor]
) -> None:
    mel, face = samples
    with torch.no_grad():
        whole = network(network.listen(mel), face)
        low = network(network.listen(mel), face, low=True)
    assert low.shape == (2, 3, 96 - FIRST_LOW_ROW, 96)
    difference = (
        whole[:, :, FIRST_EXACT_ROW:] - low[:, :, FIRST_EXACT_ROW - FIRST_LOW_ROW :]
    ).abs()
    assert difference.max() < 1e-5  # float32, other order of sums


def test_a_saved_network_draws_the_same_mouths(network: TrainedNetwork, tmp_path: Path) -> None:
    crop = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    chunks = np.random.default_rng(1).normal(0, 1, (3, 80, 16)).astype(np.float32)
    path = tmp_path / "weights.safetensors"
    save(network.body.state_dict(), network.facts(), path)
    loaded = TrainedNetwork.load(path)
    assert loaded.mel_offset == network.mel_offset
    assert np.array_equal(loaded.draw(crop, chunks), network.draw(crop, chunks))


def test_the_network_never_sees_the_lower_half_of_its_target() -> None:
    crops = torch.rand(2, 3, 96, 96)
    targets = torch.rand(2, 3, 96, 96)
    joined = face_input(crops, targets)
    assert (joined[:, :3, 48:] == 0).all()
    assert (joined[:, :3, :48] == targets[:, :, :48]).all()
    assert (joined[:, 3:] == crops).all()


def test_a_joined_network_hears_as_the_mean_of_others_and_draws_as_its_own(
    network: TrainedNetwork,
) -> None:
    torch.manual_seed(2)
    first, second = TrainedNetwork(0.0625, 0.0625), TrainedNetwork(0.0625, 0.0625)
    joined = with_hearing(network, [first, second]).body.state_dict()
    own, one, other = (each.body.state_dict() for each in (network, first, second))
    for name, value in joined.items():
        hears = name.startswith("audio_encoder")
        expected = (one[name].float() + other[name].float()) / 2 if hears else own[name].float()
        assert torch.allclose(value.float(), expected, atol=1e-6), name
