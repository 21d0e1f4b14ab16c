"""What a generator is asked for: pixels, edges, texture, and not to be told from real pictures."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_ENERGY = 1e-6


class PictureErrors(NamedTuple):
    """Differences of pictures.

    Attributes:
        pixels: Mean absolute difference.
        mouth: The same inside the mouth mask, every sample counting alike.
        edges: Mean absolute difference of gradients inside the mouth mask.
        texture: Difference of local gradient energy: blur is punished wherever it is.
    """

    pixels: Tensor
    mouth: Tensor
    edges: Tensor
    texture: Tensor

    @property
    def total(self) -> Tensor:
        """Everything as one number to make small."""
        return self.pixels + 2 * self.mouth + self.edges + 0.5 * self.texture


def picture_errors(drawn: Tensor, truth: Tensor, mouth: Tensor) -> PictureErrors:
    """Compare pictures ``(n, 3, h, w)`` with mouth masks ``(n, 1, h, w)``."""
    difference = (drawn - truth).abs()
    size = mouth.sum((1, 2, 3)) * 3 + 1
    (down, across), (true_down, true_across) = gradients(drawn), gradients(truth)
    edges = ((down - true_down).abs() * mouth[..., 1:, :]).sum((1, 2, 3)) / size
    edges = edges + ((across - true_across).abs() * mouth[..., 1:]).sum((1, 2, 3)) / size
    return PictureErrors(
        pixels=difference.mean(),
        mouth=((difference * mouth).sum((1, 2, 3)) / size).mean(),
        edges=edges.mean(),
        texture=(_energy(drawn) - _energy(truth)).abs().mean(),
    )


def gradients(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Give differences of neighbours, downwards and to the right."""
    down = pictures[..., 1:, :] - pictures[..., :-1, :]
    across = pictures[..., 1:] - pictures[..., :-1]
    return down, across


class Adversary(nn.Module):
    """Tells drawn mouths from real ones, patch by patch, given the reference."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        channels = ((9, width, 4, 2), (width, 2 * width, 4, 2), (2 * width, 3 * width, 3, 1))
        levels = [
            nn.Sequential(nn.Conv2d(a, b, k, s, 1), nn.LeakyReLU(0.2)) for a, b, k, s in channels
        ]
        self.levels = nn.Sequential(*levels, nn.Conv2d(3 * width, 1, 3, 1, 1))

    def forward(self, pictures: Tensor, reference: Tensor) -> Tensor:
        """Judge lower halves ``(n, 3, 48, 96)``; higher is more real, one number a patch."""
        # Its fine detail apart: that is where drawn mouths differ most.
        smooth = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
        seen = torch.cat((pictures * 2 - 1, (pictures - smooth) * 10, reference * 2 - 1), 1)
        judged: Tensor = self.levels(seen)
        return judged


def adversary_error(real: Tensor, drawn: Tensor) -> Tensor:
    """Give the hinge loss of the adversary's judgements (Lim and Ye 2017)."""
    return functional.relu(1 - real).mean() + functional.relu(1 + drawn).mean()


def balanced_gradient(
    errors: list[Tensor], shares: list[float], pictures: Tensor, *, most: list[float]
) -> Tensor:
    """Join the gradients of several losses at the pictures, each scaled to its share.

    Losses of different kinds have gradients of sizes that change while training: here each one's
    norm is a fixed share of the first one's, whatever its own size, but never scaled up by more
    than ``most``: a goal that is reached stops pulling.

    Args:
        errors: Losses of ``pictures``; the first sets the scale.
        shares: Norm of each gradient relative to the first one's.
        pictures: What the losses were computed from; a leaf that requires gradients.
        most: Largest factor on each.
    """
    found = [torch.autograd.grad(error, pictures, retain_graph=True)[0] for error in errors]
    norm = found[0].norm()
    scaled = [
        gradient * (share * norm / (gradient.norm() + 1e-12)).clamp(max=limit)
        for gradient, share, limit in zip(found, shares, most, strict=True)
    ]
    return torch.stack(scaled).sum(0)


def _energy(pictures: Tensor) -> Tensor:
    down, across = gradients(pictures)
    squares = down[..., :-1] ** 2 + across[..., :-1, :] ** 2
    return functional.avg_pool2d(squares, 8, 4).clamp_min(_LEAST_ENERGY).sqrt()
