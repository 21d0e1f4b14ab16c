"""How far the savings change a picture: cached features, kept rows, unrolled upsampling, INT8."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from benchmarks.infer import FIRST_ROW
from benchmarks.quantized import mel_chunks, quantize
from benchmarks.topology import random_generator
from runtime.host import HostPlan, probe_host
from runtime.models import BUNDLED_DIR
from runtime.network import Network
from runtime.rows import keep_rows
from runtime.splitting import split_generator
from runtime.upsampling import unroll_upsampling


@dataclass(frozen=True, slots=True)
class Difference:
    """Two ways of drawing the same mouths, in levels of 0 to 255.

    Attributes:
        largest: Of any pixel and colour.
        share: Share of the values that differ at all.
    """

    largest: int
    share: float


def measure_exactness() -> dict[str, dict[str, dict[str, float]]]:
    """Compare every saving with the graph without it, in the rows that both compute.

    Returns:
        By network, then by saving, a ``Difference``.
    """
    full = random_generator()
    networks = {"full f32": full, "full int8": quantize(full)}
    for precision, name in (("f32", "mouthpiece.xml"), ("int8", "mouthpiece-int8.xml")):
        path = BUNDLED_DIR / "mouthpiece" / name
        if path.is_file():
            networks[f"bundled {precision}"] = ov.Core().read_model(path)
    return {name: _savings(network) for name, network in networks.items()}


def _savings(network: ov.Model) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(0)
    faces, mels = rng.integers(0, 256, (4, 96, 96, 3), np.uint8), mel_chunks(rng, 4)
    split = split_generator(network)
    features = _run(split.face_encoder, faces)
    (dense,) = _run(network, faces, mels)
    (cached,) = _run(split.decoder, mels, *features)
    lower = keep_rows(split.decoder, FIRST_ROW)
    kept = [
        level[:, -port.partial_shape[1].get_length() :]
        for level, port in zip(features, lower.inputs[1:], strict=True)
    ]
    (rows,) = _run(lower, mels, *kept)
    (unrolled,) = _run(unroll_upsampling(lower), mels, *kept)
    found = {
        "cached features": _difference(cached, dense),
        "kept rows": _difference(rows, cached[:, FIRST_ROW:]),
        "unrolled upsampling": _difference(unrolled, rows),
    }
    return {name: asdict(difference) for name, difference in found.items()}


def _run(model: ov.Model, *arrays: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
    # Without fixed shapes the plug-in takes the same kernel for a layer in every graph; with them
    # it may round one transposed INT8 convolution differently in graphs that compute the same.
    return Network(model, HostPlan(streams=1, threads=probe_host().cores)).infer(*arrays)


def _difference(found: NDArray[np.generic], expected: NDArray[np.generic]) -> Difference:
    distance = np.abs(found.astype(np.int16) - expected.astype(np.int16))
    return Difference(int(distance.max()), float(np.mean(distance > 0)))
