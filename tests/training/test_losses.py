import math

import pytest

torch = pytest.importorskip("torch")

from training.lip_net import lip_errors  # noqa: E402
from training.losses import Adversary, adversary_error, balanced_gradient, picture_errors  # noqa: E402


def test_identical_pictures_have_no_error() -> None:
    picture = torch.rand(2, 3, 52, 96)
    assert picture_errors(picture, picture, torch.ones(2, 1, 52, 96)).total == 0


def test_each_gradient_gets_its_share_whatever_its_size() -> None:
    picture = torch.rand(1, 3, 8, 8, requires_grad=True)
    first, second = picture.sum(), 1000 * (picture**2).sum()
    joined = balanced_gradient([first, second], [1.0, 0.0], picture, most=[1.0, math.inf])
    assert torch.allclose(joined, torch.ones_like(joined))
    both = balanced_gradient([first, second], [1.0, 0.5], picture, most=[1.0, math.inf])
    assert torch.isclose((both - joined).norm(), 0.5 * joined.norm())


def test_a_goal_that_is_reached_stops_pulling() -> None:
    picture = torch.rand(1, 3, 8, 8, requires_grad=True)
    reached = 1e-9 * picture.sum()
    joined = balanced_gradient([picture.sum(), reached], [1.0, 1.0], picture, most=[1.0, 0.3])
    assert torch.allclose(joined, torch.ones_like(joined), atol=1e-6)


def test_mouths_that_open_half_way_differ_in_spread() -> None:
    truth = torch.zeros(4, 40, 2)
    truth[:, 10, 0] = 40.0
    truth[:, 23:28, 1] = torch.tensor([0.0, 4.0, 8.0, 12.0])[:, None]
    timid = truth.clone()
    timid[:, 23:28, 1] = 6 + 0.3 * (truth[:, 23:28, 1] - 6)
    assert lip_errors(truth, truth).total == 0
    assert lip_errors(timid, truth).spread > 0


def test_the_adversary_learns_to_tell_noise_from_flat_pictures() -> None:
    torch.manual_seed(0)
    judge = Adversary(4)
    optimiser = torch.optim.Adam(judge.parameters(), 1e-2)
    reference = torch.rand(4, 3, 48, 96)
    real, drawn = torch.rand(4, 3, 48, 96), torch.full((4, 3, 48, 96), 0.5)
    errors = []
    for _ in range(15):
        error = adversary_error(judge(real, reference), judge(drawn, reference))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(float(error.detach()))
    assert errors[-1] < errors[0] / 2
