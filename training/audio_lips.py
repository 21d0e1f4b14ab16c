"""The network that hears how lips move: its training form, its weights file, and its export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from numpy.typing import NDArray
from openvino import Node
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from convert.ir import write_metadata
from convert.layers import number_nodes
from runtime.chunks import CHUNK_COLUMNS
from runtime.mel import MEL_BANDS
from runtime.types import MelSpectrogram
from training.corpus import mel_chunks
from training.lip_motions import Floats
from training.network import Trainable

#: Columns heard before and after the sixteen of a mouth: 400 ms in all.
AROUND = 8
COLUMNS = CHUNK_COLUMNS + 2 * AROUND
MEL_OFFSET = -5
_CHANNELS, _HIDDEN = 160, 192
_DILATIONS = (1, 1, 2, 2, 4, 4)
_LAST = COLUMNS - 2 * sum(_DILATIONS)
#: Mel levels reach from -4 to 4.
_SCALE = 4.0


class AudioLipsNet(Trainable):
    """Convolutions over time without padding: 32 columns of mel in, one movement out.

    A whole sound is answered at every column by the same arithmetic as a chunk alone, so that
    training shares what neighbouring frames have in common.

    Attributes:
        body: All that is learned, and ``basis``.
    """

    LAYOUT = "audio-lips"

    def __init__(self, basis: Floats, *, channels: int = _CHANNELS) -> None:
        """Take the movements.

        Args:
            basis: Movements that answers are made of, ``(k, 88)``, in mouth widths; see
                ``lip_motions``.
            channels: Width of the hidden layers.
        """
        super().__init__()
        self.body: _Body = _Body(basis, channels)
        self._channels = channels

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a weights file written by ``network.save``."""
        with safe_open(path, framework="pt") as stored:
            facts: Mapping[str, str] = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        network = cls(tensors["basis"].numpy(), channels=int(facts["channels"]))
        network.body.load_state_dict(tensors)
        return network

    @property
    def basis(self) -> Tensor:
        """Movements that answers are made of, ``(k, 88)``, in mouth widths."""
        return self.body.basis

    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""
        return {"layout": self.LAYOUT, "channels": str(self._channels), "format": "pt"}

    def at(self, mel: Tensor, starts: Sequence[int]) -> Tensor:
        """Hear 32 columns from each of some places.

        Args:
            mel: ``(n, 80, t)``.
            starts: First columns, ``t - 32`` at most.

        Returns:
            Coefficients of the basis ``(n, len(starts), k)``.
        """
        told: Tensor = self.body(mel / _SCALE)
        return told.transpose(1, 2)[:, list(starts)]

    @torch.no_grad()
    def motions(self, mel: MelSpectrogram, frames: int) -> Floats:
        """Give the movements of a sound, ``(frames, 88)``."""
        self.eval()
        chunks = mel_chunks(mel, range(frames), MEL_OFFSET, around=AROUND)
        heard = self.at(torch.from_numpy(chunks).to(self.basis.device), [0])[:, 0]
        return np.asarray((heard @ self.basis).cpu().numpy(), np.float32)


class _Body(nn.Module):
    """Layers, and the movements they speak of."""

    basis: Tensor

    def __init__(self, basis: Floats, channels: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(np.array(basis, np.float32)))
        widths = [MEL_BANDS, *[channels] * (len(_DILATIONS) - 1)]
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


def export_audio_lips(
    network: AudioLipsNet, *, name: str, licence: str, gain: float = 1.0
) -> ov.Model:
    """Write the network as an OpenVINO model.

    Args:
        network: With its weights.
        name: Name to record.
        licence: Licence to record.
        gain: Factor on all movements.

    Returns:
        A model with input ``mel`` (float32 ``(n, 80, 32)``) and output ``motion`` (float32
        ``(n, 4, 11, 2)``), as ``runtime.audio_lips`` takes it.
    """
    body = network.eval().cpu().body
    layers = {key: _array(value) for key, value in body.state_dict().items()}
    mel = ops.parameter([-1, MEL_BANDS, COLUMNS], np.float32, name="mel")
    x: Node = ops.divide(mel, np.float32(_SCALE))
    for number, (step, norm) in enumerate(zip(_DILATIONS, body.norms, strict=True)):
        scale, bias = _folded_norm(norm)
        weight = layers[f"levels.{number}.weight"] * scale[:, None, None]
        heard = ops.relu(_convolution(x, weight, bias, step))
        x = ops.add(heard, _inner(x, step)) if number else heard
    x = ops.relu(_convolution(x, layers["hidden.weight"], layers["hidden.bias"], 1))
    x = _convolution(x, layers["head.weight"], layers["head.bias"], 1)
    told = ops.squeeze(x, np.array([2], np.int64))
    motion = ops.matmul(told, layers["basis"] * np.float32(gain), False, False)
    motion = ops.reshape(motion, np.array([-1, 4, 11, 2], np.int64), special_zero=False)
    model = ov.Model([ops.result(motion, name="motion")], [mel], name)
    model.input(0).set_names({"mel"})
    model.output(0).set_names({"motion"})
    number_nodes(model)
    facts = {"role": "lips", "name": name, "licence": licence, "precision": "f32"}
    write_metadata(model, {**facts, "mel_spec": "wav2lip-16k-80", "mel_offset": str(MEL_OFFSET)})
    return model


def _folded_norm(norm: nn.Module) -> tuple[Floats, Floats]:
    """Give scale and bias that do what a batch normalisation does once it is trained."""
    values = {name: _array(value) for name, value in norm.state_dict().items()}
    epsilon = float(getattr(norm, "eps", 0.0))
    scale = values["weight"] / np.sqrt(values["running_var"] + epsilon)
    return scale, values["bias"] - values["running_mean"] * scale


def _convolution(x: Node, weight: Floats, bias: Floats, dilation: int) -> Node:
    return ops.add(ops.convolution(x, weight, [1], [0], [0], [dilation]), bias[None, :, None])


def _inner(x: Node, step: int) -> Node:
    """Leave out ``step`` columns at both ends."""
    return ops.slice(x, *(np.array([place], np.int64) for place in (step, -step, 1, 2)))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
