"""The bundled network's pictures at the full-size network's cost.

A network of width 1 has the same layers with more channels. Filled with the bundled weights and
zeros elsewhere it draws the same mouths, multiplies as much as any network of its size, and lets
whole animations be measured at full size without weights that may not be distributed.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from runtime.upsampling import read_constant

_INPUT_AXES = {"Convolution": 1, "ConvolutionBackpropData": 0}


def widen(small: ov.Model, large: ov.Model) -> ov.Model:
    """Write the weights of one network into a wider one of the same layers.

    Args:
        small: The network to imitate.
        large: Gives the shapes; its layers carry the same names. Left as it is.
    """
    large = large.clone()
    layers = {node.get_friendly_name(): node for node in small.get_ordered_ops()}
    for node in large.get_ordered_ops():
        if node.get_type_name() in _INPUT_AXES:
            _fill(node, layers[node.get_friendly_name()])
    return large


def _fill(large: ov.Node, small: ov.Node) -> None:
    input_axis = _INPUT_AXES[large.get_type_name()]
    weights = read_constant(small.input_value(1).get_node()).astype(np.float32)
    filled = np.zeros(large.input(1).get_partial_shape().to_shape(), np.float32)
    outputs = slice(weights.shape[1 - input_axis])
    for wide, narrow in zip(_parts(large), _parts(small), strict=True):
        wide = slice(wide.start, wide.start + narrow.stop - narrow.start)
        target, source = (wide, outputs), (narrow, outputs)
        if input_axis == 1:
            target, source = target[::-1], source[::-1]
        filled[target] = weights[source]
    large.input(1).replace_source_output(ops.constant(filled).output(0))
    _fill_bias(large, small)


def _parts(node: ov.Node) -> list[slice]:
    """Give the channels of what the layer reads, one range for each joined part."""
    source = node.input_value(0).get_node()
    parts = list(source.inputs()) if source.get_type_name() == "Concat" else []
    ports = [part.get_partial_shape() for part in parts] or [node.input(0).get_partial_shape()]
    ends = np.cumsum([shape[1].get_length() for shape in ports])
    return [slice(int(start), int(end)) for start, end in zip([0, *ends], ends, strict=False)]


def _fill_bias(large: ov.Node, small: ov.Node) -> None:
    (port,) = _addition(large).inputs()[1:]
    bias: NDArray[np.float32] = read_constant(_addition(small).input_value(1).get_node())
    filled = np.zeros(port.get_partial_shape().to_shape(), np.float32)
    filled[:, : bias.shape[1]] = bias
    port.replace_source_output(ops.constant(filled).output(0))


def _addition(node: ov.Node) -> ov.Node:
    (reader,) = node.output(0).get_target_inputs()
    return reader.get_node()
