"""Running generators for measurement: whole sets of pairs, and frames per second side by side."""

import time
from collections.abc import Mapping

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from convert.calibration import Pairs

BATCH = 8
#: Seconds per network and round; they take turns, so that other work on the host hurts all alike.
ROUND_S = 0.5
_ROUNDS = 4
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def run_generator(model: ov.Model, pairs: Pairs) -> NDArray[np.uint8]:
    """Give the mouths for pairs, computed in float32 where the graph is not quantized.

    Args:
        model: A generator.
        pairs: Its inputs.

    Returns:
        uint8 ``(n, 96, 96, 3)``, BGR.
    """
    compiled = ov.Core().compile_model(model, "CPU", _EXACT)
    mouths = [
        compiled([pairs.faces[start : start + BATCH], pairs.mels[start : start + BATCH]])[0].copy()
        for start in range(0, len(pairs.faces), BATCH)
    ]
    return np.concatenate(mouths)


def frames_per_second(models: Mapping[str, ov.Model], pairs: Pairs) -> dict[str, float]:
    """Measure generators side by side on this host.

    Args:
        models: Generators by name.
        pairs: Inputs; one batch of them is repeated.

    Returns:
        Frames per second by name: the best round of each.
    """
    faces = pairs.faces[:BATCH]
    inputs = [faces, pairs.mels[:BATCH]]
    compiled = {
        name: ov.Core().compile_model(model, "CPU", _EXACT) for name, model in models.items()
    }
    best = dict.fromkeys(models, 0.0)
    for _ in range(_ROUNDS):
        for name, network in compiled.items():
            network(inputs)
            count, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < ROUND_S:
                network(inputs)
                count += len(faces)
            best[name] = max(best[name], count / elapsed)
    return best
