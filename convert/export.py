"""Networks with weights to OpenVINO models per the IR contract.

The graph is written with OpenVINO's own operations, one per layer, batch norm folded into the
convolution: no tracing, no telemetry process, and every node carries the name we give it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from numpy.typing import NDArray
from openvino import Node
from torch import nn

from convert.networks.blocks import ConvBlock
from runtime.types import CROP_SIZE

SCHEMA = "1"
RT_INFO = "mouthpiece"
#: Rows from here down are blanked in the first three input channels (Wav2Lip, 96 x 96 crop).
FIRST_BLANK_ROW = CROP_SIZE // 2
MEL_SHAPE = (80, 16)
_DYNAMIC = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorMetadata:
    """What the engine must know of a generator; written to ``rt_info`` under ``mouthpiece``.

    Attributes:
        name: Name in ``models/manifest.toml``, or the file's own.
        layout: ``wav2lip`` or ``nota``.
        checkpoint_sha256: Hex digest of the checkpoint file.
        licence: Licence of the weights.
        width: Channels relative to the public network, for people.
        mel_offset: First mel column of a frame's chunk relative to the frame's own column.
        mel_spec: Name of the mel settings.
        precision: ``f32`` or ``int8``.
    """

    name: str
    layout: str
    checkpoint_sha256: str
    licence: str
    width: str
    mel_offset: int = 0
    mel_spec: str = "wav2lip-16k-80x16"
    precision: str = "f32"

    def as_rt_info(self) -> dict[str, str]:
        """Give every key of the contract as text."""
        return {
            "schema": SCHEMA,
            "role": "generator",
            "name": self.name,
            "layout": self.layout,
            "crop_size": str(CROP_SIZE),
            "mel_spec": self.mel_spec,
            "mel_offset": str(self.mel_offset),
            "colour": "BGR",
            "precision": self.precision,
            "checkpoint_sha256": self.checkpoint_sha256,
            "licence": self.licence,
            "width": self.width,
        }


def write_rt_info(model: ov.Model, values: dict[str, str]) -> None:
    """Record ``values`` in the model's ``rt_info`` under ``mouthpiece``."""
    for key, value in values.items():
        model.set_rt_info(value, [RT_INFO, key])


def export_generator(network: nn.Module, metadata: GeneratorMetadata) -> ov.Model:
    """Write a generator as an OpenVINO model.

    Args:
        network: ``Wav2Lip`` or ``NotaWav2Lip`` with its weights.
        metadata: What to record about it.

    Returns:
        A model with inputs ``face`` (uint8 ``(n, 96, 96, 3)`` BGR) and ``mel`` (float32
        ``(n, 80, 16)``) and output ``mouth`` (uint8 ``(n, 96, 96, 3)``). The face encoder's levels
        are named ``feature_0`` ..., the decoder's joins ``concat_0`` ...: ``concat_i`` joins the
        output of decoder level i and ``feature_{6-i}``.
    """
    face = ops.parameter([_DYNAMIC, CROP_SIZE, CROP_SIZE, 3], np.uint8, name="face")
    mel = ops.parameter([_DYNAMIC, *MEL_SHAPE], np.float32, name="mel")
    features = []
    x = _face_input(face)
    for index, level in enumerate(_children(network, "face_encoder_blocks")):
        x = _named(_layers(x, _modules(level)), f"feature_{index}")
        features.append(x)
    x = ops.unsqueeze(mel, np.int64(1))
    x = _layers(x, _children(network, "audio_encoder"))
    decoder = _children(network, "face_decoder_blocks")
    for index, (level, feature) in enumerate(zip(decoder, reversed(features), strict=True)):
        x = _named(ops.concat([_layers(x, _modules(level)), feature], axis=1), f"concat_{index}")
    mouth = _mouth_output(_layers(x, _children(network, "output_block")))
    model = ov.Model([mouth], [face, mel], metadata.name)
    for port in (*model.inputs, *model.outputs):
        port.set_names({port.get_node().friendly_name})
    model.outputs[0].set_names({"mouth"})
    write_rt_info(model, metadata.as_rt_info())
    model.validate_nodes_and_infer_types()
    return model


def save_model(model: ov.Model, path: Path, *, compress_to_fp16: bool) -> None:
    """Write ``model`` to ``path`` (.xml) and its .bin, complete or not at all.

    Args:
        model: What to write.
        path: The .xml; its folder is made when missing.
        compress_to_fp16: Store floating-point weights in half precision (they are widened again
            when the model is read).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.xml")
    try:
        ov.save_model(model, partial, compress_to_fp16=compress_to_fp16)
        partial.with_suffix(".bin").replace(path.with_suffix(".bin"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".bin").unlink(missing_ok=True)


def _face_input(face: Node) -> Node:
    """Blank, join and scale: uint8 NHWC to float NCHW with six channels in [0, 1]."""
    whole = ops.convert(face, np.float32)
    whole = ops.divide(whole, np.float32(255.0))
    whole = ops.transpose(whole, np.array([0, 3, 1, 2], np.int64))
    kept = np.ones((1, 1, CROP_SIZE, 1), np.float32)
    kept[:, :, FIRST_BLANK_ROW:] = 0.0
    return ops.concat([ops.multiply(whole, kept), whole], axis=1, name="face_joined")


def _mouth_output(x: Node) -> Node:
    """Scale, round to nearest, clip and lay out: float NCHW in [0, 1] to uint8 NHWC."""
    x = ops.round(ops.multiply(x, np.float32(255.0)), "half_to_even")
    x = ops.transpose(ops.clamp(x, 0.0, 255.0), np.array([0, 2, 3, 1], np.int64))
    return _named(ops.convert(x, np.uint8), "mouth")


def _layers(x: Node, modules: Iterable[nn.Module]) -> Node:
    for module in modules:
        x = _layer(x, module)
    return x


def _layer(x: Node, module: nn.Module) -> Node:
    match module:
        case ConvBlock():
            conv, norm = module.conv_block
            y = _convolution(x, conv, norm if isinstance(norm, nn.BatchNorm2d) else None)
            return ops.relu(ops.add(y, x) if module.shortcut else y)
        case nn.Conv2d():
            return _convolution(x, module, None)
        case nn.Sigmoid():
            return ops.sigmoid(x)
        case _:
            raise TypeError(f"no rule to export a layer of type {type(module).__name__}")


def _convolution(x: Node, conv: nn.Module, norm: nn.BatchNorm2d | None) -> Node:
    if not isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"expected a convolution, got {type(conv).__name__}")
    weight, bias = _folded(conv, norm)
    stride = list(conv.stride)
    pads = [int(pad) for pad in conv.padding]
    if isinstance(conv, nn.ConvTranspose2d):
        y = ops.convolution_backprop_data(
            x,
            weight,
            stride,
            None,
            pads,
            pads,
            list(conv.dilation),
            output_padding=list(conv.output_padding),
        )
    else:
        y = ops.convolution(x, weight, stride, pads, pads, list(conv.dilation))
    return ops.add(y, bias.reshape(1, -1, 1, 1))


def _folded(
    conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give weight and bias of a convolution and the batch norm behind it, computed in float64."""
    weight = _array(conv.weight)
    channels_axis = 1 if isinstance(conv, nn.ConvTranspose2d) else 0
    channels = weight.shape[channels_axis]
    bias = np.zeros(channels) if conv.bias is None else _array(conv.bias)
    if norm is not None:
        gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
        bias = (bias - _array(norm.running_mean)) * gain + _array(norm.bias)
        shape = [1] * weight.ndim
        shape[channels_axis] = channels
        weight = weight * gain.reshape(shape)
    return weight.astype(np.float32), bias.astype(np.float32)


def _array(tensor: torch.Tensor | None) -> NDArray[np.float64]:
    if tensor is None:
        raise TypeError("the layer has no such tensor")
    return tensor.detach().to(torch.float64).numpy()


def _named(node: Node, name: str) -> Node:
    node.set_friendly_name(name)
    node.output(0).set_names({name})
    return node


def _children(network: nn.Module, name: str) -> Sequence[nn.Module]:
    return _modules(network.get_submodule(name))


def _modules(module: nn.Module) -> Sequence[nn.Module]:
    return list(module.children())
