"""The machine that was measured: what it is, and what its arithmetic units can do at most."""

from __future__ import annotations

import os
import platform
import subprocess
from time import process_time
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from benchmarks.quantized import quantize_convolutions
from runtime.host import HostPlan, probe_host
from runtime.network import Network

_SIDE, _CHANNELS = 64, 512


def describe_machine() -> dict[str, Any]:
    """Give what a reader needs to compare figures."""
    host = probe_host()
    return {
        "cpu": host.cpu,
        "words": host.words,
        "cores": host.cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "openvino": ov.get_version().split("-")[0],
        "numpy": np.__version__,
        "revision": _revision(),
        "load": round(os.getloadavg()[0], 1),
    }


def peak_gmacs() -> dict[str, float]:
    """Measure the highest rate of multiply-accumulates, in 10^9 per second of one core.

    Processor time counts, so a busy machine changes little. The load is a matrix product of
    (4096, 512) by (512, 512), as a 1x1 convolution, and the same with 3x3 kernels; the faster one
    counts.
    """
    threads = probe_host().cores
    plan = HostPlan(streams=threads, threads=threads)
    peaks = {}
    for precision in ("f32", "int8"):
        rates = [_rate(_product(kernel, precision), kernel, plan) for kernel in (1, 3)]
        peaks[precision] = max(rates)
    return peaks


def _product(kernel: int, precision: str) -> ov.Model:
    rng = np.random.default_rng(0)
    x = ops.parameter([1, _CHANNELS, _SIDE, _SIDE], np.float32, name="x")
    pad = kernel // 2
    y = x
    # Several layers in a row, so that converting the input does not count.
    for _ in range(3):
        shape = (_CHANNELS, _CHANNELS, kernel, kernel)
        weights = (rng.standard_normal(shape) / (_CHANNELS * kernel)).astype(np.float32)
        y = ops.relu(ops.convolution(y, weights, [1, 1], [pad, pad], [pad, pad], [1, 1]))
    model = ov.Model([ops.reduce_mean(y, ops.constant([2, 3]))], [x], "product")
    return quantize_convolutions(model) if precision == "int8" else model


def _rate(model: ov.Model, kernel: int, plan: HostPlan) -> float:
    network = Network(model, plan)
    x = np.random.default_rng(0).random((1, _CHANNELS, _SIDE, _SIDE), np.float32)
    list(network.run([(x,)] * plan.requests))
    best = 0.0
    for _ in range(3):
        start = process_time()
        count = sum(1 for _ in network.run([(x,)] * (8 if kernel == 3 else 40)))
        macs = 3 * count * _SIDE**2 * _CHANNELS**2 * kernel**2
        best = max(best, macs / (process_time() - start) / 1e9)
    return best


def _revision() -> str:
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
