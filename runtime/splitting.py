"""Graph surgery on generators: the same arithmetic with the needless part left out.

The face encoder hears nothing, so its features are computed once for each reference frame
(``split_generator``); only the lower rows of a mouth survive blending, so the decoder computes
only those and their exact halo (``keep_rows``). Neither changes a number that is shown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from runtime.errors import ModelMismatchError


class SplitGenerator(NamedTuple):
    """A generator in two parts.

    Attributes:
        face_encoder: Input ``face``; outputs the features, largest first, each ``(N, h, w, c)``.
        decoder: Inputs ``mel``, then the features in the encoder's order; output ``mouth``.
    """

    face_encoder: ov.Model
    decoder: ov.Model


def split_generator(model: ov.Model) -> SplitGenerator:
    """Cut a generator where the picture meets the sound.

    Features travel as the uint8 that a quantized network computes with (exact), otherwise as
    float16. The cut is every edge from a node that depends on ``face`` alone to one that depends
    on ``mel``, so it needs no names and works after any graph transformation.

    Args:
        model: Inputs ``face`` and ``mel``, output ``mouth``; left as it is.

    Returns:
        Two new graphs, sharing nothing with ``model``.

    Raises:
        ModelMismatchError: The graph has no such edge.
    """
    return SplitGenerator(_face_encoder(model.clone()), _decoder(model.clone()))


def _face_encoder(model: ov.Model) -> ov.Model:
    results = [
        ops.result(_to_storage(cut), name=f"feature_{index}")
        for index, cut in enumerate(_cuts(model))
    ]
    for index, result in enumerate(results):
        result.output(0).get_tensor().set_names({f"feature_{index}"})
    return ov.Model(results, [_parameter(model, "face")], "face_encoder")


def _decoder(model: ov.Model) -> ov.Model:
    hears = _depends_on(model, "mel")
    parameters = [_parameter(model, "mel")]
    for index, cut in enumerate(_cuts(model)):
        parameter, restored = _from_storage(cut, f"feature_{index}")
        parameters.append(parameter)
        for target in cut.get_target_inputs():
            if target.get_node().get_friendly_name() in hears:
                target.replace_source_output(restored)
    return ov.Model(model.get_results(), parameters, "decoder")


def _cuts(model: ov.Model) -> list[ov.Output]:
    """Find the outputs that carry the picture into the decoder, largest first."""
    sees, hears = _depends_on(model, "face"), _depends_on(model, "mel")
    cuts = [
        output
        for node in model.get_ordered_ops()
        if node.get_friendly_name() in sees - hears
        for output in node.outputs()
        if any(t.get_node().get_friendly_name() in hears for t in output.get_target_inputs())
    ]
    if not cuts:
        raise ModelMismatchError("the generator's decoder takes nothing from its face encoder")
    return sorted(cuts, key=lambda cut: -_rows(cut))


def _depends_on(model: ov.Model, parameter: str) -> set[str]:
    """Name every node that is computed from one input."""
    found = {_parameter(model, parameter).get_friendly_name()}
    for node in model.get_ordered_ops():
        sources = (port.get_source_output().get_node() for port in node.inputs())
        if any(source.get_friendly_name() in found for source in sources):
            found.add(node.get_friendly_name())
    return found


def _parameter(model: ov.Model, name: str) -> ov.Node:
    return model.input(name).get_node()


def _rows(port: ov.Output) -> int:
    return int(port.get_partial_shape()[2].get_length())


def _to_storage(cut: ov.Output) -> ov.Output:
    """Turn a feature into what is stored: uint8 levels or float16, channels last."""
    node = cut.get_node()
    if _is_byte_quantizer(node):
        levels = ops.fake_quantize(
            node.input_value(0),
            node.input_value(1),
            node.input_value(2),
            ops.constant(np.float32(0)),
            ops.constant(np.float32(255)),
            256,
        )
        stored = ops.convert(levels, np.uint8)
    else:
        stored = ops.convert(cut, np.float16)
    return ops.transpose(stored, ops.constant(np.array([0, 2, 3, 1]))).output(0)


def _from_storage(cut: ov.Output, name: str) -> tuple[ov.Node, ov.Output]:
    """Make the input for a stored feature and the feature as the graph knew it."""
    shape = cut.get_partial_shape()
    kind = np.uint8 if _is_byte_quantizer(cut.get_node()) else np.float16
    parameter = ops.parameter([-1, shape[2], shape[3], shape[1]], kind, name=name)
    parameter.output(0).get_tensor().set_names({name})
    planes = ops.transpose(parameter, ops.constant(np.array([0, 3, 1, 2])))
    values = ops.convert(planes, np.float32)
    if kind is np.uint8:
        low, high = (_constant(cut.get_node(), index) for index in (3, 4))
        values = ops.multiply(values, ops.constant((high - low) / np.float32(255)))
        if np.any(low):
            values = ops.add(values, ops.constant(low))
    return parameter, values.output(0)


def _is_byte_quantizer(node: ov.Node) -> bool:
    return node.get_type_name() == "FakeQuantize" and bool(node.get_attributes()["levels"] == 256)


def _constant(node: ov.Node, index: int) -> np.ndarray:
    source = node.input_value(index).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return np.asarray(source.get_data(), np.float32)
