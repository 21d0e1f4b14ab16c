"""Tensors out of an ONNX file, by the network's own names even where the exporter lost them.

Exporters fold batch norm into the convolutions and then call the weights ``onnx::Conv_123``. The
convolutions still come in the order in which the network runs, so the names follow from the order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convert.networks.wav2lip import NOTA_DEPTH, WAV2LIP_DEPTH, Depth
from runtime.errors import CheckpointError

_DETECTOR_MARK = "conv1_1.weight"
#: What PyTorch adds to the variance.
_BATCH_NORM_EPSILON = 1e-5
_BATCH_NORM_INPUTS = ("weight", "bias", "running_mean", "running_var")


def read_onnx(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of an ONNX file.

    Args:
        path: The file; weights kept in other files beside it are not read.

    Returns:
        Tensors by the names of the network's layout.

    Raises:
        CheckpointError: Damaged, or the number of convolutions fits no layout.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs

    try:
        graph = onnx.load(path, load_external_data=False).graph
        tensors = {item.name: _tensor(item) for item in graph.initializer}
    except (DecodeError, ValueError, TypeError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable ONNX file: {error}") from error
    if _DETECTOR_MARK in tensors:
        return tensors
    try:
        return _renamed(graph, tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _tensor(item: Any) -> torch.Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(np.array(numpy_helper.to_array(item)))


def _convolutions(graph: Any) -> list[Any]:
    return [node for node in graph.node if node.op_type in {"Conv", "ConvTranspose"}]


def _renamed(graph: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    convolutions = _convolutions(graph)
    norms = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization"}
    if not convolutions:
        raise CheckpointError("it has no convolutions")
    audio_first = tensors[convolutions[0].input[1]].shape[1] == 1
    named: dict[str, torch.Tensor] = {}
    for name, node in zip(_names(len(convolutions), audio_first), convolutions, strict=True):
        for part, source in zip(("weight", "bias"), node.input[1:], strict=False):
            named[f"{name}.{part}"] = tensors[source]
        if name.endswith(".conv_block.0"):
            norm = norms.get(node.output[0])
            channels = int(named[f"{name}.bias"].shape[0])
            values = (
                _no_norm(channels) if norm is None else [tensors[key] for key in norm.input[1:]]
            )
            for part, value in zip(_BATCH_NORM_INPUTS, values, strict=True):
                named[f"{name.removesuffix('0')}1.{part}"] = value
    return named


def _no_norm(channels: int) -> list[torch.Tensor]:
    """Give the tensors of a batch norm that changes nothing, for one the exporter folded away."""
    ones, zeros = torch.ones(channels), torch.zeros(channels)
    return [ones, zeros, zeros, ones - _BATCH_NORM_EPSILON]


def _names(count: int, audio_first: bool) -> list[str]:
    """Give the names of the convolutions in the order in which the network runs."""
    counts = []
    for depth in (WAV2LIP_DEPTH, NOTA_DEPTH):
        face = list(_face_names(depth))
        audio = [f"audio_encoder.{index}" for index in range(6 + sum(depth.audio))]
        decoder = list(_decoder_names(depth))
        blocks = [*audio, *face, *decoder] if audio_first else [*face, *audio, *decoder]
        names = [f"{block}.conv_block.0" for block in (*blocks, "output_block.0")]
        names.append("output_block.1")
        if len(names) == count:
            return names
        counts.append(len(names))
    raise CheckpointError(
        f"its weights have no names and it has {count} convolutions, expected {counts[0]} "
        f"(Wav2Lip) or {counts[1]} (Nota)"
    )


def _face_names(depth: Depth) -> Iterator[str]:
    for level, repeats in enumerate((*depth.face, 1)):
        for index in range(1 + repeats):
            yield f"face_encoder_blocks.{level}.{index}"


def _decoder_names(depth: Depth) -> Iterator[str]:
    for level, repeats in enumerate((0, *depth.decoder)):
        for index in range(1 + repeats):
            yield f"face_decoder_blocks.{level}.{index}"
