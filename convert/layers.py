"""Torch layers as OpenVINO operations, one by one, batch norm folded into the convolution.

No tracing and no telemetry process; every node carries the name it is given here.
"""

import re

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from numpy.typing import NDArray
from openvino import Node
from torch import nn

from convert.networks.blocks import ConvBlock

#: What OpenVINO calls a node itself: a running number over the whole process.
_COUNTED_NAME = re.compile(r"(.*/)?([A-Za-z]+)_\d+")


def apply_layers(x: Node, network: nn.Module, path: str) -> Node:
    """Apply the layers at ``path`` of a network one after another to NCHW float."""
    for name, module in network.get_submodule(path).named_children():
        x = apply_layer(x, module, f"{path}.{name}")
    return x


def apply_layer(x: Node, module: nn.Module, name: str) -> Node:
    """Apply one layer to NCHW float.

    Args:
        x: What the layer reads.
        module: ``ConvBlock``, ``Conv2d``, ``ConvTranspose2d`` or ``Sigmoid``.
        name: Name for the node of the layer's convolution.

    Raises:
        TypeError: A layer of another type.
    """
    match module:
        case ConvBlock():
            conv, norm = module.conv_block
            y = _convolution(x, conv, norm, name)
            return ops.relu(ops.add(y, x) if module.shortcut else y)
        case nn.Conv2d() | nn.ConvTranspose2d():
            return _convolution(x, module, None, name)
        case nn.Sigmoid():
            return ops.sigmoid(x)
        case _:
            raise TypeError(f"no rule to export a layer of type {type(module).__name__}")


def named(node: Node, name: str) -> Node:
    """Name a node and its output, so that it is found again after quantization."""
    node.set_friendly_name(name)
    node.output(0).set_names({name})
    return node


def number_nodes(model: ov.Model) -> None:
    """Give the nodes without a name of their own one that is the same in every run."""
    for index, node in enumerate(model.get_ordered_ops()):
        found = _COUNTED_NAME.fullmatch(node.get_friendly_name())
        if found is not None and found[2] == node.get_type_name():
            node.set_friendly_name(f"{found[1] or ''}{found[2]}_{index}")


def _convolution(x: Node, conv: nn.Module, norm: nn.Module | None, name: str) -> Node:
    if not isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"expected a convolution, got {type(conv).__name__}")
    weight, bias = _folded(conv, norm)
    stride, dilation = list(conv.stride), list(conv.dilation)
    pads = [int(pad) for pad in conv.padding]
    if isinstance(conv, nn.ConvTranspose2d):
        extra = list(conv.output_padding)
        y = ops.convolution_backprop_data(
            x, weight, stride, None, pads, pads, dilation, output_padding=extra
        )
    else:
        y = ops.convolution(x, weight, stride, pads, pads, dilation)
    y.set_friendly_name(name)
    return ops.add(y, bias.reshape(1, -1, 1, 1))


def _folded(
    conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.Module | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give weight and bias of a convolution and the batch norm behind it, computed in float64."""
    weight = _array(conv.weight)
    channels_axis = 1 if isinstance(conv, nn.ConvTranspose2d) else 0
    channels = weight.shape[channels_axis]
    bias = np.zeros(channels) if conv.bias is None else _array(conv.bias)
    if isinstance(norm, nn.BatchNorm2d):
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
