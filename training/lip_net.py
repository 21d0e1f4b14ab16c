"""A small network that reads lip points off generated mouths and passes gradients on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.lips import CORNERS, INNER_LOWER, INNER_UPPER
from training.network import FIRST_BLANK_ROW
from training.sampling import Batch

POINTS = 40
#: Least width of a mouth in pixels by which errors are divided.
_LEAST_WIDTH = 8.0
_UNIT_PX = 8.0
_BLUR_SHARE = 0.7


class LipNet(nn.Module):
    """Reads lips from rows 48 to 95 of a crop."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        channels = ((3, 16, 2), (16, 32, 1), (32, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1))
        self.levels = nn.Sequential(*(_level(*c) for c in (*channels, (96, 128, 2))))
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(128 * 3 * 6, 192), nn.ReLU(), nn.Linear(192, POINTS * 2)
        )
        self.register_buffer("mean", torch.zeros(POINTS * 2))

    def forward(self, lower: Tensor) -> Tensor:
        """Read lips.

        Args:
            lower: ``(n, 3, 48, 96)``, BGR, [0, 1].

        Returns:
            ``(n, 40, 2)``, pixels of the whole crop.
        """
        points: Tensor = self.head(self.levels(lower * 2 - 1)) * _UNIT_PX + self.mean
        return points.view(-1, POINTS, 2)


@dataclass(frozen=True, slots=True)
class LipErrors:
    """How far read lips are from the truth, in parts of the mouth's width.

    Attributes:
        points: Mean over all points.
        opening: Mean over the inner lips' openings.
        spread: Between the sorted openings of the batch: small only when wide mouths are as wide,
            and closed ones as closed, as in the truth. It is what keeps a network that cannot be
            sure from opening every mouth half way.
    """

    points: Tensor
    opening: Tensor
    spread: Tensor

    @property
    def total(self) -> Tensor:
        """Everything as one number to make small."""
        return self.points + self.opening + 2 * self.spread


def lip_errors(read: Tensor, truth: Tensor) -> LipErrors:
    """Compare lips ``(n, 40, 2)``."""
    width = (truth[:, CORNERS[0]] - truth[:, CORNERS[1]]).norm(dim=1).clamp_min(_LEAST_WIDTH)
    points = ((read - truth) / width[:, None, None]).abs().mean()
    own, true = _gaps(read) / width, _gaps(truth) / width
    opening = functional.smooth_l1_loss(own, true, beta=0.05)
    spread = functional.smooth_l1_loss(own.sort()[0], true.sort()[0], beta=0.02)
    return LipErrors(points, opening, spread)


def train_lip_net(
    batches: Iterator[Batch], steps: int, *, seed: int = 0, rate: float = 2e-3
) -> LipNet:
    """Train on true pictures, some blurred and noisy as generated ones are.

    Args:
        batches: Endless.
        steps: Steps to make.
        seed: Of the noise.
        rate: Highest learning rate.
    """
    torch.manual_seed(seed)
    net = LipNet()
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 2))
    for step in range(steps):
        batch = next(batches)
        if step == 0:
            net.mean.copy_(batch.lips.mean(0).flatten())
        errors = lip_errors(net(_spoilt(batch.target[:, :, FIRST_BLANK_ROW:])), batch.lips)
        optimiser.zero_grad()
        (errors.points + errors.opening).backward()  # type: ignore[no-untyped-call]  # torch stub
        optimiser.step()
        schedule.step()
    net.eval().requires_grad_(False)
    return net


def save_lip_net(net: LipNet, path: Path) -> None:
    """Write the weights."""
    save_file(net.state_dict(), path)


def load_lip_net(path: Path) -> LipNet:
    """Read weights written by ``save_lip_net``; not to be trained further."""
    net = LipNet()
    net.load_state_dict(load_file(path))
    net.eval().requires_grad_(False)
    return net


def _level(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _gaps(lips: Tensor) -> Tensor:
    gaps: Tensor = (lips[:, INNER_UPPER] - lips[:, INNER_LOWER]).norm(dim=2).mean(1)
    return gaps


def _spoilt(pictures: Tensor) -> Tensor:
    if torch.rand(()) < _BLUR_SHARE:
        blurred = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
        share = torch.rand(len(pictures), 1, 1, 1)
        pictures = blurred * share + pictures * (1 - share)
    return pictures + torch.randn_like(pictures) * torch.rand(()) * 0.03
