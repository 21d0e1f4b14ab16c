"""Small dense networks as the arrays that ``runtime.blending.warp.dense`` runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from runtime.blending.warp.dense import Arrays
from training.lip_motions import Floats


def dense_arrays(network: nn.Sequential) -> dict[str, Floats]:
    """Give the weights ``w0``, ``w1``, ... ``(inputs, outputs)`` and biases ``b0``, ``b1``, ..."""
    arrays = {}
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(linear):
        arrays[f"w{number}"] = layer.weight.detach().numpy().T
        arrays[f"b{number}"] = layer.bias.detach().numpy()
    return arrays


def write_halves(path: Path, arrays: Mapping[str, Floats]) -> Arrays:
    """Write arrays in half precision, compressed, as ``bundled`` reads them; give what it reads."""
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez_compressed(path, **halves)
    return halves
