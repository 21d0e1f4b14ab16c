"""Hears lips over 400 ms, by convolutions over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import openvino.opset13 as ops
from openvino import Node
from torch import Tensor, nn
from torch.nn import functional

from training.audio_lips import BANDS, COLUMNS, SCALE, LipsBody, LipsNet, array, folded_norm
from training.lip_motions import Floats

CHANNELS = 160
_HIDDEN = 192
_DILATIONS = (1, 1, 2, 2, 4, 4)
_LAST = COLUMNS - 2 * sum(_DILATIONS)


class TemporalLips(LipsNet):
    """Convolutions without padding: 32 columns of mel in, one answer out.

    A whole sound is answered at every column by the same arithmetic as a chunk alone, so that
    training shares what neighbouring frames have in common.
    """

    LAYOUT = "temporal-lips"

    def __init__(self, basis: Floats, *, channels: int = CHANNELS) -> None:
        """Take the movements.

        Args:
            basis: ``(k, 88)``, in mouth widths; see ``lip_motions``.
            channels: Width of the hidden layers.
        """
        super().__init__()
        self.body: _Body = _Body(basis, channels)
        self._channels = channels

    @classmethod
    def of_file(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> Self:
        """See ``LipsNet``."""
        return cls(tensors["basis"].numpy(), channels=int(facts["channels"]))

    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""
        return {**super().facts(), "channels": str(self._channels)}

    def at(self, mel: Tensor, starts: Sequence[int]) -> Tensor:
        """Hear at some places; see ``LipsNet``."""
        told: Tensor = self.body(mel / SCALE)
        return told.transpose(1, 2)[:, list(starts)]

    def told(self, mel: Node) -> Node:
        """Write the network as operations; see ``LipsNet``."""
        x = mel
        body = self.body
        for number, (level, norm) in enumerate(zip(body.levels, body.norms, strict=True)):
            step = _DILATIONS[number]
            scale, bias = folded_norm(norm)
            weight = array(level.get_parameter("weight")) * scale[:, None, None]
            heard = ops.relu(_convolution(x, weight, bias, step))
            x = ops.add(heard, _inner(x, step)) if number else heard
        layers = {key: array(value) for key, value in body.state_dict().items()}
        x = ops.relu(_convolution(x, layers["hidden.weight"], layers["hidden.bias"], 1))
        x = _convolution(x, layers["head.weight"], layers["head.bias"], 1)
        return ops.squeeze(x, np.array([2], np.int64))


class _Body(LipsBody):
    def __init__(self, basis: Floats, channels: int) -> None:
        super().__init__(basis)
        widths = [BANDS, *[channels] * (len(_DILATIONS) - 1)]
        self.levels = nn.ModuleList(
            nn.Conv1d(width, channels, 3, dilation=step, bias=False)
            for width, step in zip(widths, _DILATIONS, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in _DILATIONS)
        self.hidden = nn.Conv1d(channels, _HIDDEN, _LAST)
        self.head = nn.Conv1d(_HIDDEN, len(basis), 1)
        self.dropout, self.last_dropout = nn.Dropout(0.1), nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        for number, (level, norm) in enumerate(zip(self.levels, self.norms, strict=True)):
            heard = functional.relu(norm(level(x)))
            step = _DILATIONS[number]
            x = self.dropout(heard + x[..., step:-step] if number else heard)
        told: Tensor = self.head(self.last_dropout(functional.relu(self.hidden(x))))
        return told


def _convolution(x: Node, weight: Floats, bias: Floats, dilation: int) -> Node:
    return ops.add(ops.convolution(x, weight, [1], [0], [0], [dilation]), bias[None, :, None])


def _inner(x: Node, step: int) -> Node:
    """Leave out ``step`` columns at both ends."""
    bounds = (np.array([place], np.int64) for place in (step, -step, 1, 2))
    return ops.slice(x, *bounds)
