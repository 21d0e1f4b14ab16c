"""Open mouths wider: a gain on the sound vector, folded into the decoder's first layer.

A network that is not sure draws less motion than there is. Everything that it draws follows the
sound vector, so a factor on the vector's distance from its mean opens and rounds the lips further
at no cost: the decoder's first layer is linear, and the factor is multiplied into its weights.
"""

import copy
import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from training.cases import Case
from training.evaluation import MouthSource, put_back
from training.lip_reading import LipReader
from training.lips import openings
from training.metrics import slope
from training.network import TrainedNetwork
from training.sampling import Sampler

logger = logging.getLogger(__name__)

#: A convolution of one pixel, so the same for every place.
_FIRST_LAYER = "face_decoder_blocks.0.0.conv_block.0"
_LEAST, _MOST = 0.5, 3.0
_SOUNDS, _BATCH = 480, 96


def mean_vector(network: TrainedNetwork, sampler: Sampler, *, seed: int = 0) -> Tensor:
    """Give the mean sound vector ``(c,)`` over sounds of the training clips."""
    mel, _ = sampler.draw_sounds(_SOUNDS, np.random.default_rng([seed, 3]))
    network.eval()
    with torch.no_grad():
        return torch.cat([network.listen(part) for part in torch.split(mel, _BATCH)]).mean(
            (0, 2, 3)
        )


def with_gain(network: TrainedNetwork, mean: Tensor, gain: float) -> TrainedNetwork:
    """Give a copy that draws ``mean + gain * (vector - mean)`` for every sound vector.

    Args:
        network: Stays as it is.
        mean: The mean sound vector, ``(c,)``.
        gain: 1 changes nothing, more opens wider.
    """
    wider = copy.deepcopy(network)
    tensors = wider.body.state_dict()
    weight, bias = (tensors[f"{_FIRST_LAYER}.{name}"] for name in ("weight", "bias"))
    # W (m + g (v - m)) + b = g W v + (b + (1 - g) W m); these tensors are the network's own.
    bias += (1 - gain) * weight[:, :, 0, 0] @ mean
    weight *= gain
    return wider


def drawn_slope(source: MouthSource, cases: Sequence[Case], reader: LipReader) -> float:
    """Give how much the drawn opening grows where the true one grows by one; median over cases."""
    slopes = []
    for case in cases:
        lips = reader.read(put_back(case.face, source.draw(case, case.mel)))
        slopes.append(slope(openings(lips), case.goal))
    return float(np.median(slopes))


def choose_gain(
    slope_at: Callable[[float], float], *, wanted: float = 1.0, rounds: int = 4
) -> float:
    """Find the gain at which mouths open as far as they should.

    Args:
        slope_at: Measures how much the opening grows where the true one grows by one, at a gain.
        wanted: This growth.
        rounds: Measurements.

    Returns:
        The measured gain, 0.5 to 3, whose slope was nearest to ``wanted``.
    """
    measured: dict[float, float] = {}
    gain = 1.0
    for _ in range(rounds):
        measured[gain] = slope_at(gain)
        logger.info("gain %.3f: slope %.3f", gain, measured[gain])
        gain = _next(measured, wanted)
        if gain in measured:
            break
    return min(measured, key=lambda tried: abs(measured[tried] - wanted))


def _next(measured: dict[float, float], wanted: float) -> float:
    """Continue the line through the last two measurements; gain 0 moves nothing."""
    (first, low), (last, high) = [(0.0, 0.0), *measured.items()][-2:]
    rise = (high - low) / (last - first)
    step = (wanted - high) / rise if rise > 0 else 0.0
    return float(np.clip(last + step, _LEAST, _MOST))
