"""INT8 versions of networks for measuring, laid out as NNCF lays them out, made in a second.

Only for speed and exactness: users' networks are quantized by ``convert``, with corrected biases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from runtime.upsampling import read_constant

_CHANNEL_AXES = {"Convolution": 0, "ConvolutionBackpropData": 1}
Samples = Sequence[NDArray[np.generic]]


def quantize(model: ov.Model, samples: Samples | None = None) -> ov.Model:
    """Give a generator's convolutions INT8 weights and what they read 256 levels.

    Args:
        model: A generator; left as it is.
        samples: Faces and mel chunks that set the ranges; ``None`` for random ones.

    Returns:
        The graph with weights stored as int8 and ``FakeQuantize`` after every activation.
    """
    if samples is None:
        rng = np.random.default_rng(0)
        samples = [rng.integers(0, 256, (2, 96, 96, 3), np.uint8), mel_chunks(rng, 2)]
    model = quantize_convolutions(model, samples)
    model.set_rt_info("int8", ["mouthpiece", "precision"])
    return model


def quantize_convolutions(model: ov.Model, samples: Samples | None = None) -> ov.Model:
    """Quantize any graph; ``samples`` as its inputs, ``None`` for random ones in [0, 1)."""
    model = model.clone()
    if samples is None:
        rng = np.random.default_rng(0)
        samples = [rng.random(port.shape, np.float32) for port in model.inputs]
    for node, bounds in _ranges(model, samples):
        _quantize_activation(node, bounds)
    for node in model.get_ordered_ops():
        if node.get_type_name() in _CHANNEL_AXES:
            _quantize_weights(node, _CHANNEL_AXES[node.get_type_name()])
    model.validate_nodes_and_infer_types()
    return model


def mel_chunks(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draw mel chunks ``(count, 80, 16)`` over the whole scale of -4 to 4."""
    return rng.uniform(-4, 4, (count, 80, 16)).astype(np.float32)


def _groups(model: ov.Model) -> list[list[ov.Node]]:
    """List what convolutions read; what a concatenation joins shares one scale, to copy bytes."""
    groups: dict[str, list[ov.Node]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() in _CHANNEL_AXES:
            source = node.input_value(0).get_node()
            parts = [port.get_source_output().get_node() for port in source.inputs()]
            is_join = all(part.get_type_name() == "Relu" for part in parts)
            joined = source.get_type_name() == "Concat" and is_join
            groups[source.get_friendly_name()] = parts if joined else [source]
    shared = {part.get_friendly_name() for group in groups.values() for part in group[1:]}
    shared |= {group[0].get_friendly_name() for group in groups.values() if len(group) > 1}
    return [group for name, group in groups.items() if len(group) > 1 or name not in shared]


def _ranges(model: ov.Model, samples: Samples) -> list[tuple[ov.Node, tuple[float, float]]]:
    groups = _groups(model)
    nodes = [node for group in groups for node in group]
    watched = ov.Model([node.output(0) for node in nodes], model.get_parameters(), "watched")
    answers = iter(ov.Core().compile_model(watched, "CPU")(list(samples)).to_tuple())
    found = []
    for group in groups:
        values = [next(answers) for _ in group]
        bounds = float(min(0.0, *map(np.min, values))), float(max(map(np.max, values)))
        found += [(node, bounds) for node in group]
    return found


def _quantize_activation(node: ov.Node, bounds: tuple[float, float]) -> None:
    readers = list(node.output(0).get_target_inputs())
    low, high = (ops.constant(np.float32(bound)) for bound in bounds)
    levels = ops.fake_quantize(node.output(0), low, high, low, high, 256)
    for reader in readers:
        reader.replace_source_output(levels.output(0))


def _quantize_weights(node: ov.Node, channel_axis: int) -> None:
    weights = read_constant(node.input_value(1).get_node()).astype(np.float32)
    axes = tuple(axis for axis in range(4) if axis != channel_axis)
    # Seven bits: processors without INT8 dot products add pairs in 16 bits and would overflow.
    scale = np.maximum(np.abs(weights).max(axes, keepdims=True), 1e-6) / np.float32(63)
    stored = ops.constant(np.rint(weights / scale).astype(np.int8))
    restored = ops.multiply(ops.convert(stored, np.float32), ops.constant(scale))
    node.input(1).replace_source_output(restored.output(0))
