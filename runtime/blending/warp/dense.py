"""Small dense networks that come with the package as arrays."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[np.floating]]


class Dense:
    """Three layers, hyperbolic tangents between them; safe to share between threads."""

    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        """Take ``w0`` to ``w2``, each ``(inputs, outputs)``, and ``b0`` to ``b2``."""
        self._layers = [(arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(3)]

    def __call__(self, signal: Floats) -> Floats:
        """Give the outputs for one vector of inputs."""
        for weight, bias in self._layers[:-1]:
            signal = np.tanh(signal @ weight + bias)
        weight, bias = self._layers[-1]
        return np.asarray(signal @ weight + bias, np.float32)


def project(vector: Floats, basis: Floats) -> Floats:
    """Give a vector's coefficients, ``(k,)``, in a basis ``(n, k)``."""
    # Not ``@``: for products of this size NumPy's algebra wakes threads, and waits for them on
    # processors that are busy drawing mouths.
    return np.asarray(np.einsum("i,ij->j", vector, basis), np.float32)


@cache
def bundled(name: str) -> Arrays:
    """Read the arrays of a file beside this one."""
    with (files("runtime.blending.warp") / name).open("rb") as stored:
        weights = np.load(stored, allow_pickle=False)
        return {key: weights[key] for key in weights.files}
