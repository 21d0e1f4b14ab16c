"""S3FD against PyTorch, with random weights: its time, and how far INT8 moves its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.quantized import quantize_convolutions
from benchmarks.rounds import Side, take_turns
from convert.export_detector import CHANNEL_MEANS, export_s3fd
from convert.networks.s3fd import S3FD
from runtime.faces.compiled import FaceNetwork
from runtime.types import Frame

#: Height and width: S3FD's work grows with the pixels, its ratios do not.
SIZE = (288, 512)
BASELINE = "PyTorch f32"


def measure_detector(frame: Frame, *, rounds: int = 2) -> dict[str, Any]:
    """Time S3FD on one frame in turns, and compare what INT8 and full precision give.

    Args:
        frame: uint8 ``(*SIZE, 3)`` BGR.
        rounds: Turns of every side.
    """
    torch.manual_seed(0)
    network = S3FD().eval()
    exact = export_s3fd(network, name="s3fd", checkpoint_sha256="", licence="random")
    small = quantize_convolutions(exact, [frame[None]])
    models = {"OpenVINO f32": exact, "OpenVINO int8": small}
    compiled = {name: FaceNetwork(model, name, threads=0) for name, model in models.items()}
    sides: dict[str, Side] = {BASELINE: _torch_side(network, frame)}
    sides |= {name: _side(runs, frame) for name, runs in compiled.items()}
    return {
        "size": SIZE,
        "sides": take_turns(sides, baseline=BASELINE, rounds=rounds),
        "int8_error": _error(*(runs(frame[None]) for runs in compiled.values())),
    }


def _side(network: FaceNetwork, frame: Frame) -> Side:
    def run(frames: int) -> int:
        for _ in range(frames):
            network(frame[None])
        return frames

    return run


def _torch_side(network: S3FD, frame: Frame) -> Callable[[int], int]:
    picture = frame.astype(np.float32) - np.array(CHANNEL_MEANS, np.float32)
    batch = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))

    def run(frames: int) -> int:
        with torch.inference_mode():
            for _ in range(frames):
                network(batch)
        return frames

    return run


def _error(exact: list[np.ndarray], small: list[np.ndarray]) -> float:
    """Give the root mean square difference of the outputs in parts of their own spread."""
    shares = [
        float(np.sqrt(np.mean((a - b) ** 2)) / max(float(a.std()), 1e-9))
        for a, b in zip(exact, small, strict=True)
    ]
    return float(np.median(shares))
