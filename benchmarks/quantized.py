"""INT8 versions of random networks, laid out as NNCF lays them out, made in a second.

Only for speed and exactness: users' networks are quantized by ``convert`` with real pictures.
"""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

_KERNELS = {"Convolution": 0, "ConvolutionBackpropData": 1}


def quantize(model: ov.Model, seed: int = 0) -> ov.Model:
    """Give every convolution INT8 weights and every activation 256 levels.

    Args:
        model: From ``random_generator``; left as it is.
        seed: Seed of the pictures and sounds that set the ranges.

    Returns:
        The graph with weights stored as int8 and ``FakeQuantize`` after every activation.
    """
    highest = _activation_ranges(model, seed)
    model = model.clone()
    for node in model.get_ordered_ops():
        if node.get_friendly_name() in highest:
            _quantize_activation(node, highest[node.get_friendly_name()])
        elif node.get_type_name() in _KERNELS:
            _quantize_weights(node, _KERNELS[node.get_type_name()])
    model.validate_nodes_and_infer_types()
    model.set_rt_info("int8", ["mouthpiece", "precision"])
    return model


def _activations(model: ov.Model) -> list[ov.Node]:
    """List what convolutions read: activations, and the joined picture and mel at the start."""
    firsts = {"face_pair", "mel_plane"}
    return [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Relu" or node.get_friendly_name() in firsts
    ]


def _activation_ranges(model: ov.Model, seed: int) -> dict[str, tuple[float, float]]:
    nodes = _activations(model)
    watched = ov.Model([node.output(0) for node in nodes], model.get_parameters(), "watched")
    rng = np.random.default_rng(seed)
    face = rng.integers(0, 256, (2, 96, 96, 3), np.uint8)
    answers: Sequence[NDArray[np.float32]] = list(
        ov.Core().compile_model(watched, "CPU")([face, mel_chunks(rng, 2)]).to_tuple()
    )
    ranges = {
        node.get_friendly_name(): (float(min(0.0, answer.min())), float(answer.max()))
        for node, answer in zip(nodes, answers, strict=True)
    }
    _unify_joined(model, ranges)
    return ranges


def _unify_joined(model: ov.Model, ranges: dict[str, tuple[float, float]]) -> None:
    """Let what a concatenation joins share one scale, so that it copies bytes."""
    for node in model.get_ordered_ops():
        names = {port.get_source_output().get_node().get_friendly_name() for port in node.inputs()}
        if node.get_type_name() == "Concat" and names <= ranges.keys():
            shared = (0.0, max(ranges[name][1] for name in names))
            ranges.update(dict.fromkeys(names, shared))


def mel_chunks(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draw mel chunks ``(count, 80, 16)`` over the whole scale of -4 to 4."""
    return rng.uniform(-4, 4, (count, 80, 16)).astype(np.float32)


def _quantize_activation(node: ov.Node, bounds: tuple[float, float]) -> None:
    readers = list(node.output(0).get_target_inputs())
    low, high = (ops.constant(np.float32(bound)) for bound in bounds)
    levels = ops.fake_quantize(node, low, high, low, high, 256)
    for reader in readers:
        reader.replace_source_output(levels.output(0))


def _quantize_weights(node: ov.Node, channel_axis: int) -> None:
    weights: NDArray[np.float32] = node.input_value(1).get_node().get_data()
    axes = tuple(axis for axis in range(4) if axis != channel_axis)
    # Seven bits: processors without INT8 dot products add pairs in 16 bits and would overflow.
    scale = np.abs(weights).max(axes, keepdims=True) / np.float32(63)
    stored = ops.constant(np.rint(weights / scale).astype(np.int8))
    restored = ops.multiply(ops.convert(stored, np.float32), ops.constant(scale))
    node.input(1).replace_source_output(restored.output(0))
