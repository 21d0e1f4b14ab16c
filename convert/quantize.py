"""INT8: calibration with NNCF, and a search for the layers that must stay in floating point.

NNCF's own accuracy control quantizes the network anew for each layer it tries. Here a layer is put
back by removing its quantizers from the finished graph, which takes milliseconds, so that all
layers can be tried on the measure that counts: the mouth against full precision.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import Node

from convert.calibration import Pairs
from convert.fidelity import mouth_psnr
from convert.inference import run_generator

#: Layers that stay in floating point: those around the network proper, whose arithmetic is exact
#: only there, and the first that hears. Few pairs are loud and NNCF averages their ranges: loud
#: vowels would be cut off before anything has heard them, and mouths open less.
_FLOAT_LAYERS = ("input_scale", "input_blank", "output_scale", "audio_encoder.0")
_CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData")
#: Widths of the activations' ranges to try, relative to the average range of the pairs.
RANGE_FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0)
#: Pairs that the search measures on: enough to rank layers, few enough to try them all.
_SEARCH_PAIRS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """When the search for sensitive layers is content.

    Attributes:
        median_db: Mouth PSNR wanted on the median pair.
        worst_db: Mouth PSNR wanted on the worst pair.
        max_layers: Layers tried at most, the most promising first: each one kept costs speed.
        least_gain_db: A layer that gains less, on the median and the worst pair together, goes
            back to INT8.
    """

    median_db: float = 38.0
    worst_db: float = 32.0
    max_layers: int = 8
    least_gain_db: float = 0.2


def quantize_plainly(model: ov.Model, pairs: Pairs) -> ov.Model:
    """Quantize every layer of a generator to INT8.

    Args:
        model: A generator in full precision; left as it is.
        pairs: Representative inputs, at least a hundred.

    Returns:
        A new graph.
    """
    import nncf

    nncf.set_log_level(40)
    items = [(pairs.faces[i : i + 1], pairs.mels[i : i + 1]) for i in range(len(pairs.faces))]
    present = {node.get_friendly_name() for node in model.get_ops()}
    # NNCF shows its progress on standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        return nncf.quantize(
            model.clone(),
            nncf.Dataset(items, list),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(items),
            ignored_scope=nncf.IgnoredScope(names=[n for n in _FLOAT_LAYERS if n in present]),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # It costs 4 dB on the bundled generator's mouth instead of gaining.
                disable_bias_correction=True,
            ),
        )


def widen_ranges(
    model: ov.Model, quantized: ov.Model, pairs: Pairs, factors: Sequence[float] = RANGE_FACTORS
) -> ov.Model:
    """Widen all ranges of activations by the factor that serves the mouth best.

    NNCF averages the ranges of the pairs. Typical faces gain from that and bright ones are clipped;
    the whole range seen costs everybody. In between lies a better compromise, another one for
    each network.

    Args:
        model: The generator in full precision.
        quantized: ``quantize_plainly`` of it.
        pairs: Inputs to measure on; not those of the calibration.
        factors: Factors to try.

    Returns:
        A new graph.
    """
    pairs = _thinned(pairs)
    truth = run_generator(model, pairs)
    candidates = [_widened(quantized, factor) for factor in factors]
    return max(candidates, key=lambda graph: _merit(mouth_psnr(truth, run_generator(graph, pairs))))


def keep_sensitive_layers(
    model: ov.Model, quantized: ov.Model, pairs: Pairs, options: SearchOptions
) -> tuple[ov.Model, list[str]]:
    """Put layers back to floating point, most harmful first, until the mouth is good enough.

    Args:
        model: The generator in full precision.
        quantized: ``quantize_plainly`` of it.
        pairs: Inputs to measure on; not those of the calibration.
        options: What is good enough, and at which price.

    Returns:
        The mixed graph and the names of its floating-point layers, in the order they were chosen.
    """
    pairs = _thinned(pairs)
    truth = run_generator(model, pairs)

    def measure(names: Sequence[str]) -> np.ndarray:
        candidate = restore_layers(quantized, model, names)
        return mouth_psnr(truth, run_generator(candidate, pairs))

    def is_good(scores: np.ndarray) -> bool:
        return bool(np.median(scores) >= options.median_db and scores.min() >= options.worst_db)

    kept: list[str] = []
    scores = measure(kept)
    if not is_good(scores):
        layers = quantized_layers(quantized)
        merits = {name: _merit(measure([name])) for name in layers}
        for name in sorted(layers, key=lambda name: -merits[name])[: options.max_layers]:
            trial = measure([*kept, name])
            if _merit(trial) >= _merit(scores) + options.least_gain_db:
                kept.append(name)
                scores = trial
            if is_good(scores):
                break
    return restore_layers(quantized, model, kept), kept


def quantized_layers(model: ov.Model) -> list[str]:
    """Give the names of the convolutions that compute in INT8, in the graph's order."""
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in _CONVOLUTIONS and _is_quantizer(node.input_value(0).get_node())
    ]


def floating_layers(model: ov.Model) -> list[str]:
    """Give the names of the convolutions that a quantized graph computes in floating point."""
    quantized = set(quantized_layers(model))
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in _CONVOLUTIONS and node.get_friendly_name() not in quantized
    ]


def restore_layers(quantized: ov.Model, model: ov.Model, names: Sequence[str]) -> ov.Model:
    """Put layers of a quantized graph back to floating point.

    Args:
        quantized: The quantized graph; left as it is.
        model: The graph in full precision, with the same names.
        names: Convolutions to put back.

    Returns:
        A new graph.
    """
    restored = quantized.clone()
    originals = {node.get_friendly_name(): node for node in model.get_ops()}
    for node in restored.get_ops():
        if node.get_friendly_name() not in names:
            continue
        source = node.input_value(0).get_node()
        if _is_quantizer(source):
            node.input(0).replace_source_output(source.input_value(0))
        node.input(1).replace_source_output(_weights(originals[node.get_friendly_name()]).output(0))
    restored.validate_nodes_and_infer_types()
    return restored


def _widened(quantized: ov.Model, factor: float) -> ov.Model:
    widened = quantized.clone()
    for node in widened.get_ops():
        if not _is_quantizer(node) or _holds_weights(node):
            continue
        for port in range(1, 5):
            bound = node.input_value(port).get_node()
            wider = np.asarray(np.asarray(bound.data, np.float32) * np.float32(factor))
            node.input(port).replace_source_output(ov.op.Constant(wider).output(0))
    widened.validate_nodes_and_infer_types()
    return widened


def _holds_weights(quantizer: Node) -> bool:
    return all(
        target.get_index() == 1 and target.get_node().get_type_name() in _CONVOLUTIONS
        for target in quantizer.output(0).get_target_inputs()
    )


def _weights(layer: Node) -> Node:
    """Give a layer's weights as a constant of their own."""
    constant = layer.input_value(1).get_node()
    while constant.get_type_name() != "Constant":
        # Weights read from a file in half precision are widened by a conversion.
        constant = constant.input_value(0).get_node()
    return ov.op.Constant(np.array(constant.data, np.float32))


def _is_quantizer(node: Node) -> bool:
    return bool(node.get_type_name() == "FakeQuantize")


def _merit(scores: np.ndarray) -> float:
    # The worst pair counts as much as the typical one.
    return float(np.median(scores) + scores.min())


def _thinned(pairs: Pairs) -> Pairs:
    step = max(1, len(pairs.faces) // _SEARCH_PAIRS)
    return Pairs(pairs.faces[::step], pairs.mels[::step], pairs.is_silent[::step])
