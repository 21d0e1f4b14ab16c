"""Networks that hear how lips move: what they have in common, and their export as one.

Two kinds hear in different ways (``temporal_lips``, ``chunk_lips``), so they err in different
places: the mean of their answers follows voices that are new better than either.
"""

from __future__ import annotations

from abc import abstractmethod
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

from convert.ir import write_metadata
from convert.layers import number_nodes
from runtime.chunks import CHUNK_COLUMNS
from runtime.types import MelSpectrogram
from training.corpus import mel_chunks
from training.lip_motions import Floats
from training.network import Trainable

#: Columns heard before and after the sixteen of a mouth: 400 ms in all.
AROUND = 8
COLUMNS = CHUNK_COLUMNS + 2 * AROUND
MEL_OFFSET = -5
BANDS, POINTS = 80, 88
#: Mel levels reach from -4 to 4.
SCALE = 4.0


class LipsNet(Trainable):
    """Tells movements from sound.

    Attributes:
        LAYOUT: Name of the kind in weights files.
        body: All that is learned, and ``basis``.
    """

    LAYOUT = ""

    @classmethod
    @abstractmethod
    def of_file(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> Self:
        """Make the network that a weights file describes; its weights are loaded by ``load``."""

    @abstractmethod
    def at(self, mel: Tensor, starts: Sequence[int]) -> Tensor:
        """Hear 32 columns from each of some places.

        Args:
            mel: ``(n, 80, t)``.
            starts: First columns, ``t - 32`` at most.

        Returns:
            Coefficients of the basis ``(n, len(starts), k)``.
        """

    @abstractmethod
    def told(self, mel: Node) -> Node:
        """Write the network as OpenVINO operations: ``(n, 80, 32)`` to ``(n, k)``."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a weights file written by ``network.save``."""
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            network = cls.of_file(tensors, stored.metadata())
        network.body.load_state_dict(tensors)
        return network

    @property
    def basis(self) -> Tensor:
        """Movements that answers are made of, ``(k, 88)``, in mouth widths."""
        return self.body.get_buffer("basis")

    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""
        return {"layout": self.LAYOUT, "format": "pt"}

    @torch.no_grad()
    def motions(self, mel: MelSpectrogram, frames: int) -> Floats:
        """Give the movements of a sound, ``(frames, 88)``."""
        self.eval()
        chunks = mel_chunks(mel, range(frames), MEL_OFFSET, around=AROUND)
        heard = self.at(torch.from_numpy(chunks).to(self.basis.device), [0])[:, 0]
        return np.asarray((heard @ self.basis).cpu().numpy(), np.float32)


class LipsBody(nn.Module):
    """Holds the movements; layers are added by each kind."""

    def __init__(self, basis: Floats) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(np.array(basis, np.float32)))


def export_audio_lips(
    networks: Sequence[LipsNet], *, name: str, licence: str, gain: float = 1.0
) -> ov.Model:
    """Write the mean of some networks as an OpenVINO model.

    Args:
        networks: With their weights.
        name: Name to record.
        licence: Licence to record.
        gain: Factor on all movements: networks that are not sure move less than lips do.

    Returns:
        A model with input ``mel`` (float32 ``(n, 80, 32)``) and output ``motion`` (float32
        ``(n, 4, 11, 2)``), as ``runtime.audio_lips`` takes it.
    """
    mel = ops.parameter([-1, BANDS, COLUMNS], np.float32, name="mel")
    scaled = ops.divide(mel, np.float32(SCALE))
    parts = []
    for network in networks:
        basis = array(network.eval().cpu().basis) * np.float32(gain / len(networks))
        parts.append(ops.matmul(network.told(scaled), basis, False, False))
    motion = parts[0]
    for part in parts[1:]:
        motion = ops.add(motion, part)
    motion = ops.reshape(motion, np.array([-1, 4, 11, 2], np.int64), special_zero=False)
    model = ov.Model([ops.result(motion, name="motion")], [mel], name)
    model.input(0).set_names({"mel"})
    model.output(0).set_names({"motion"})
    number_nodes(model)
    facts = {"role": "lips", "name": name, "licence": licence, "precision": "f32"}
    write_metadata(model, {**facts, "mel_spec": "wav2lip-16k-80", "mel_offset": str(MEL_OFFSET)})
    return model


def array(tensor: Tensor) -> NDArray[np.float32]:
    """Give a tensor's values."""
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)


def folded_norm(norm: nn.Module) -> tuple[Floats, Floats]:
    """Give scale and bias that do what a batch normalisation does once it is trained."""
    values = {name: array(value) for name, value in norm.state_dict().items()}
    epsilon = float(getattr(norm, "eps", 0.0))
    scale = values["weight"] / np.sqrt(values["running_var"] + epsilon)
    return scale, values["bias"] - values["running_mean"] * scale
