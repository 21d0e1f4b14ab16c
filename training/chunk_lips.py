"""Hears lips as a generator does: by its own audio encoder, over 200 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import openvino.opset13 as ops
import torch
from openvino import Node
from torch import Tensor, nn

from convert.layers import apply_layers
from runtime.chunks import CHUNK_COLUMNS
from training.audio_lips import AROUND, SCALE, LipsBody, LipsNet, array, folded_norm
from training.lip_motions import Floats
from training.network import TrainedNetwork

_HIDDEN = 96


class ChunkLips(LipsNet):
    """A trained generator's audio encoder, which stays as it is, and a small head on its vector."""

    LAYOUT = "chunk-lips"

    def __init__(self, basis: Floats, generator: TrainedNetwork) -> None:
        """Take the movements and the encoder.

        Args:
            basis: ``(k, 88)``, in mouth widths; see ``lip_motions``.
            generator: Gives its audio encoder.
        """
        super().__init__()
        self.body: _Body = _Body(basis, generator.body.audio_encoder)
        self._width = generator.widths[1]

    @classmethod
    def of_file(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> Self:
        """See ``LipsNet``."""
        width = float(facts["width_audio"])
        return cls(tensors["basis"].numpy(), TrainedNetwork(width, width))

    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""
        return {**super().facts(), "width_audio": str(self._width)}

    def train(self, mode: bool = True) -> Self:
        """Train the head; the encoder keeps its statistics too."""
        super().train(mode)
        self.body.audio_encoder.eval()
        return self

    def at(self, mel: Tensor, starts: Sequence[int]) -> Tensor:
        """Hear at some places; see ``LipsNet``."""
        places = torch.tensor(starts, device=mel.device)[:, None] + AROUND
        places = places + torch.arange(CHUNK_COLUMNS, device=mel.device)
        chunks = mel[:, :, places].permute(0, 2, 1, 3).flatten(0, 1)[:, None]
        with torch.no_grad():
            heard = self.body.audio_encoder(chunks).flatten(1)
        told: Tensor = self.body.head(heard)
        return told.view(len(mel), len(starts), -1)

    def told(self, mel: Node) -> Node:
        """Write the network as operations; see ``LipsNet``."""
        bounds = (np.array([v], np.int64) for v in (AROUND, AROUND + CHUNK_COLUMNS, 1, 2))
        chunk = ops.multiply(ops.slice(mel, *bounds), np.float32(SCALE))
        x = apply_layers(ops.unsqueeze(chunk, np.int64(1)), self.body, "audio_encoder")
        x = ops.squeeze(x, np.array([2, 3], np.int64))
        norm, first, _, _, last = self.body.head
        scale, bias = folded_norm(norm)
        x = ops.add(ops.multiply(x, scale[None]), bias[None])
        return _linear(ops.relu(_linear(x, first)), last)


class _Body(LipsBody):
    def __init__(self, basis: Floats, audio_encoder: nn.Module) -> None:
        super().__init__(basis)
        self.audio_encoder = audio_encoder.requires_grad_(False)
        with torch.no_grad():
            width = audio_encoder.eval()(torch.zeros(1, 1, 80, CHUNK_COLUMNS)).shape[1]
        self.head = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Linear(width, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(_HIDDEN, len(basis)),
        )


def _linear(x: Node, layer: nn.Module) -> Node:
    weight, bias = (array(layer.get_parameter(name)) for name in ("weight", "bias"))
    return ops.add(ops.matmul(x, weight, False, True), bias[None])
