"""Checkpoint files to networks with weights: layout and width come from the tensors' shapes.

No code stored in a checkpoint is ever run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from convert.containers import FILE_KINDS, Tensors, read_tensors
from convert.networks.s3fd import S3FD
from convert.networks.wav2lip import NOTA_DEPTH, WAV2LIP_DEPTH, Channels, Depth, Wav2Lip
from runtime.errors import CheckpointError
from runtime.models import file_sha256

_GENERATOR_MARK = "face_encoder_blocks.0.0.conv_block.0.weight"
_DETECTOR_MARK = "conv1_1.weight"
#: A counter of training steps; some exporters leave it out.
_OPTIONAL_SUFFIX = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's weights in the network they belong to.

    Attributes:
        network: ``Wav2Lip`` or ``S3FD``, in evaluation mode.
        layout: ``wav2lip``, ``nota`` or ``s3fd``.
        width: Channels of face and audio encoder relative to the public network, as text.
        sha256: Hex digest of the file.
        notes: What the file says about itself (safetensors metadata).
    """

    network: nn.Module
    layout: str
    width: str
    sha256: str
    notes: Mapping[str, str]

    @property
    def role(self) -> str:
        """``generator`` or ``detector``."""
        return "detector" if self.layout == "s3fd" else "generator"


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint in any layout met in the wild.

    Args:
        path: PyTorch (``{"state_dict": ...}`` with or without ``module.``, bare, with optimizer
            state), TorchScript, ONNX or safetensors.

    Returns:
        The network with its weights, float32.

    Raises:
        CheckpointError: The file is missing or unreadable, wants to run code, or a tensor does not
            fit; the message names the first such tensor, what was expected and what was found.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; expected {FILE_KINDS}")
    tensors, notes = read_tensors(path)
    try:
        network, layout, width = _fit(tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Checkpoint(network.eval(), layout, width, file_sha256(path), notes)


def _fit(tensors: Tensors) -> tuple[nn.Module, str, str]:
    if _GENERATOR_MARK in tensors:
        layout, depth = _generator_depth(tensors)
        channels = _channels(tensors)
        with torch.device("meta"):
            network: nn.Module = Wav2Lip(channels, depth)
        width = f"{channels.face[5] / 512:g}/{channels.audio[4] / 512:g}"
    elif _DETECTOR_MARK in tensors:
        layout, width = "s3fd", "1"
        with torch.device("meta"):
            network = S3FD()
    else:
        first = next(iter(tensors), "no tensor at all")
        raise CheckpointError(
            f"not a network known here: its first tensor is {first}, "
            f"expected {_GENERATOR_MARK} (Wav2Lip, Nota) or {_DETECTOR_MARK} (S3FD)"
        )
    _assign(network, tensors)
    return network, layout, width


def _generator_depth(tensors: Tensors) -> tuple[str, Depth]:
    """Tell Wav2Lip from Nota's form of it, which has no shortcut blocks."""
    if "face_encoder_blocks.1.1.conv_block.0.weight" in tensors:
        return "wav2lip", WAV2LIP_DEPTH
    return "nota", NOTA_DEPTH


def _channels(tensors: Tensors) -> Channels:
    """Read the channels of every level off the first convolution of each."""

    def count(prefix: str, axis: int = 0) -> int:
        name = f"{prefix}.conv_block.0.weight"
        if name not in tensors:
            raise CheckpointError(f"tensor {name} is missing")
        if tensors[name].ndim != 4:
            found = tuple(tensors[name].shape)
            raise CheckpointError(f"tensor {name}: expected four dimensions, found shape {found}")
        return int(tensors[name].shape[axis])

    _, depth = _generator_depth(tensors)
    audio_starts = [0]
    for repeats in depth.audio:
        audio_starts.append(audio_starts[-1] + 1 + repeats)
    return Channels(
        face=tuple(count(f"face_encoder_blocks.{level}.0") for level in range(7)),
        audio=tuple(count(f"audio_encoder.{start}") for start in audio_starts),
        decoder=tuple(count(f"face_decoder_blocks.{level}.0", axis=1) for level in range(1, 7)),
        output=count("output_block.0"),
    )


def _assign(network: nn.Module, tensors: Tensors) -> None:
    """Put the tensors into the network; the first one that does not fit is named."""
    expected = network.state_dict()
    for name, slot in expected.items():
        if name not in tensors:
            if name.endswith(_OPTIONAL_SUFFIX):
                continue
            raise CheckpointError(f"tensor {name} is missing; expected shape {tuple(slot.shape)}")
        found = tensors[name]
        if found.shape != slot.shape:
            raise CheckpointError(
                f"tensor {name}: expected shape {tuple(slot.shape)}, found {tuple(found.shape)}"
            )
        if not bool(torch.isfinite(found).all()):
            raise CheckpointError(f"tensor {name}: expected numbers, found NaN or infinity")
    for name in tensors:
        if name not in expected and not name.endswith(_OPTIONAL_SUFFIX):
            raise CheckpointError(
                f"tensor {name} of shape {tuple(tensors[name].shape)} has no place in the network"
            )
    values = {
        name: tensors[name].to(slot.dtype)
        if name in tensors
        else torch.zeros_like(slot, device="cpu")
        for name, slot in expected.items()
    }
    network.load_state_dict(values, assign=True)
