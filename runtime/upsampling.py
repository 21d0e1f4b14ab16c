"""Rewrite stride-two transposed convolutions as plain ones.

Each output pixel of such a layer sees one, two or four of its nine weights, depending on whether
its row and column are even or odd. Four small convolutions, one for each case, followed by an
interleaving do the same multiplications. Worth it where the plug-in computes transposed
convolutions in float although the network is quantized (x86 without AVX-512): the layers then run
in INT8 like all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

# Output row 2m + phase sees weight row TAPS[phase][j] over input row m + j; likewise columns.
_TAPS = ((1,), (2, 0))
# What may follow a layer pixel by pixel and moves before the interleaving, to be fused there.
_POINTWISE = {"Add", "Relu", "FakeQuantize"}


class _Weights(NamedTuple):
    """Weights ``(inputs, outputs, 3, 3)`` as stored, and their scale for each output if any."""

    values: NDArray[Any]
    scale: NDArray[np.float32] | None


def unroll_upsampling(model: ov.Model) -> ov.Model:
    """Replace every 3x3 transposed convolution of stride two that exactly doubles its input.

    Args:
        model: Any graph; left as it is. Layers of another kind stay.

    Returns:
        A graph with the same multiplications and additions.
    """
    model = model.clone()
    for node in model.get_ordered_ops():
        if _is_doubling(node):
            _unroll(node)
    model.validate_nodes_and_infer_types()
    return model


def _is_doubling(node: ov.Node) -> bool:
    if node.get_type_name() != "ConvolutionBackpropData":
        return False
    facts = node.get_attributes()
    shape = node.input(1).get_partial_shape()
    return (
        list(facts["strides"]) == [2, 2]
        and list(facts["pads_begin"]) == list(facts["pads_end"]) == [1, 1]
        and list(facts["output_padding"]) == list(facts["dilations"]) == [1, 1]
        and [side.get_length() for side in list(shape)[2:]] == [3, 3]
    )


def _unroll(node: ov.Node) -> None:
    weights = _read_weights(node.input_value(1).get_node())
    followers = list(_followers(node))
    phases = [
        _repeat_all(followers, _phase(node.input_value(0), weights, _TAPS[row], _TAPS[column]))
        for row, column in product((0, 1), repeat=2)
    ]
    doubled = ops.depth_to_space(ops.concat(phases, 1), "blocks_first", 2)
    last = followers[-1] if followers else node
    for target in list(last.output(0).get_target_inputs()):
        target.replace_source_output(doubled.output(0))


def _phase(
    x: ov.Output, weights: _Weights, rows: tuple[int, ...], columns: tuple[int, ...]
) -> ov.Output:
    taps = weights.values[:, :, rows][:, :, :, columns].transpose(1, 0, 2, 3)
    kernel = ops.constant(np.ascontiguousarray(taps))
    if taps.dtype != np.float32:
        kernel = ops.convert(kernel, np.float32)
    if weights.scale is not None:
        kernel = ops.multiply(kernel, ops.constant(weights.scale.reshape(-1, 1, 1, 1)))
    pads_end = [len(rows) - 1, len(columns) - 1]
    return ops.convolution(x, kernel, [1, 1], [0, 0], pads_end, [1, 1]).output(0)


def _followers(node: ov.Node) -> Iterator[ov.Node]:
    """Yield the pointwise nodes that are the only reader of the one before."""
    while True:
        readers = list(node.output(0).get_target_inputs())
        node = readers[0].get_node()
        fixed = (_is_constant(node.input_value(i).get_node()) for i in range(1, _arity(node)))
        if len(readers) > 1 or node.get_type_name() not in _POINTWISE or not all(fixed):
            return
        yield node


def _repeat_all(nodes: list[ov.Node], x: ov.Output) -> ov.Output:
    for node in nodes:
        constants = [node.input_value(index) for index in range(1, _arity(node))]
        match node.get_type_name():
            case "Add":
                x = ops.add(x, constants[0]).output(0)
            case "Relu":
                x = ops.relu(x).output(0)
            case _:
                levels = node.get_attributes()["levels"]
                x = ops.fake_quantize(x, *constants, levels).output(0)
    return x


def _read_weights(node: ov.Node) -> _Weights:
    if node.get_type_name() == "Multiply":
        values, scale = (read_constant(node.input_value(index).get_node()) for index in (0, 1))
        outputs = values.shape[1]
        return _Weights(values, np.broadcast_to(scale.reshape(-1), outputs).astype(np.float32))
    return _Weights(read_constant(node), None)


def read_constant(node: ov.Node) -> NDArray[Any]:
    """Read a constant, also one that is stored in another type and converted."""
    source = node.input_value(0).get_node() if node.get_type_name() == "Convert" else node
    return np.asarray(source.get_data())


def _is_constant(node: ov.Node) -> bool:
    source = node.input_value(0).get_node() if node.get_type_name() == "Convert" else node
    return bool(source.get_type_name() == "Constant")


def _arity(node: ov.Node) -> int:
    return int(node.get_input_size())
