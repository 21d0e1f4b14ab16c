"""Compute only the lower rows of a decoder: the same numbers, fewer of them.

Blending keeps the lower part of a mouth crop, so the rows above need not exist. Walking the graph
backwards gives the first row that each node must get right (its receptive field, hence an exact
halo); walking forwards cuts the rows above it off the inputs and at every join. Between two cuts
the topmost rows are computed from a wrong neighbourhood, but they lie in the halo that the next
cut removes.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

# Nodes whose output row i depends on row i of their inputs alone.
_ROWWISE = {
    "Add", "Clamp", "Concat", "Convert", "Divide", "FakeQuantize", "Floor", "HSwish", "Maximum",
    "Minimum", "Multiply", "PRelu", "Relu", "Result", "Round", "Sigmoid", "Subtract", "Swish",
    "Tanh",
}  # fmt: skip
_CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData"}


def keep_rows(decoder: ov.Model, first_row: int) -> ov.Model:
    """Leave out every row that does not reach the rows of the mouth from ``first_row`` on.

    Args:
        decoder: Second part of ``split_generator``; left as it is.
        first_row: First row of the mouth to compute, 0 to 95.

    Returns:
        A graph whose ``mouth`` is ``(N, 96 - first_row, 96, 3)`` and whose features lack their
        upper rows; the lengths of its inputs tell how many.
    """
    model = decoder.clone()
    if first_row:
        _Cutter(model).cut(first_row)
        model.validate_nodes_and_infer_types()
    return model


class _Cutter:
    """Two walks over one graph; nodes are known by their friendly names, which are unique."""

    def __init__(self, model: ov.Model) -> None:
        self._nodes = model.get_ordered_ops()
        self._live = _computed_from_inputs(self._nodes)
        self._axis: dict[str, int] = {}
        # First row that must be right, and first row that is there.
        self._need: dict[str, int] = {}
        self._start: dict[str, int] = {}

    def cut(self, first_row: int) -> None:
        for node in reversed(self._nodes):
            if node.get_type_name() == "Result":
                self._axis[_name(node)], self._need[_name(node)] = 1, first_row
            if _name(node) in self._axis:
                self._ask(node)
        for node in self._nodes:
            if _name(node) in self._axis:
                self._supply(node)

    def _ask(self, node: ov.Node) -> None:
        """Tell the node's sources which rows it needs of them."""
        axis, need = self._axis[_name(node)], self._need[_name(node)]
        for port in node.inputs():
            source = port.get_source_output()
            if _name(source.get_node()) not in self._live or len(source.get_partial_shape()) != 4:
                continue
            name = _name(source.get_node())
            wanted = _wanted_rows(node, need)
            self._need[name] = min(wanted, self._need.get(name, wanted))
            self._axis.setdefault(name, _source_axis(node, axis))

    def _supply(self, node: ov.Node) -> None:
        """Cut the node's inputs to a common first row and note which row it starts with."""
        name = _name(node)
        if node.get_type_name() == "Parameter":
            self._start[name] = self._shorten(node)
            return
        rows = {port: self._first_row(port, node) for port in node.inputs()}
        starts = {port: row for port, row in rows.items() if row is not None}
        common = max(starts.values(), default=0)
        if node.get_type_name() in {"Concat", "Result"}:
            common = max(common, self._need[name])
        for port, start in starts.items():
            if start < common:
                self._slice(port, node, common - start)
        self._start[name] = common * _row_stride(node)

    def _shorten(self, parameter: ov.Node) -> int:
        """Take the rows that nobody needs off the top of an input."""
        rows = self._need[_name(parameter)]
        shape = parameter.get_partial_shape()
        axis = self._axis[_name(parameter)]
        shape[axis] = shape[axis].get_length() - rows
        parameter.set_partial_shape(shape)
        return rows

    def _first_row(self, port: ov.Input, node: ov.Node) -> int | None:
        """Say which row an input starts with; ``None`` when it has no rows."""
        name = _name(_source(port))
        if name in self._live:
            return self._start.get(name)
        axis, shape = self._port_axis(port, node), port.get_partial_shape()
        is_rowwise = node.get_type_name() in _ROWWISE
        return 0 if is_rowwise and axis >= 0 and shape[axis].get_length() > 1 else None

    def _port_axis(self, port: ov.Input, node: ov.Node) -> int:
        """Find the axis of rows; constants may have fewer axes than what they meet."""
        return _source_axis(node, self._axis[_name(node)]) - 4 + len(port.get_partial_shape())

    def _slice(self, port: ov.Input, node: ov.Node, rows: int) -> None:
        axis = self._port_axis(port, node)
        bounds = (
            ops.constant(np.array([bound], np.int64))
            for bound in (rows, np.iinfo(np.int64).max, 1, axis)
        )
        port.replace_source_output(ops.slice(port.get_source_output(), *bounds).output(0))


def _name(node: ov.Node) -> str:
    return str(node.get_friendly_name())


def _source(port: ov.Input) -> ov.Node:
    return port.get_source_output().get_node()


def _computed_from_inputs(nodes: list[ov.Node]) -> set[str]:
    live: set[str] = set()
    for node in nodes:
        sources = (_name(_source(port)) for port in node.inputs())
        if node.get_type_name() == "Parameter" or any(name in live for name in sources):
            live.add(_name(node))
    return live


def _source_axis(node: ov.Node, axis: int) -> int:
    if node.get_type_name() != "Transpose":
        return axis
    return int(node.input_value(1).get_node().get_data()[axis])


def _wanted_rows(node: ov.Node, need: int) -> int:
    """Give the first input row on which the output rows from ``need`` on depend."""
    if node.get_type_name() in _ROWWISE or node.get_type_name() == "Transpose":
        return need
    if node.get_type_name() not in _CONVOLUTIONS:
        return 0
    facts = node.get_attributes()
    stride, pad = int(facts["strides"][0]), int(facts["pads_begin"][0])
    if node.get_type_name() == "Convolution":
        return max(0, need - pad) if stride == 1 else 0
    # Input row i reaches the output rows i * stride - pad + (0 .. reach - 1).
    reach = int(node.input(1).get_partial_shape()[2].get_length())
    return max(0, -(-(need + pad - reach + 1) // stride))


def _row_stride(node: ov.Node) -> int:
    is_upsampling = node.get_type_name() == "ConvolutionBackpropData"
    return int(node.get_attributes()["strides"][0]) if is_upsampling else 1
