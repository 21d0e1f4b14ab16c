"""Frames per second of the generator alone: every way of running it, in turns."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from benchmarks.machine import peak_gmacs
from benchmarks.quantized import mel_chunks, quantize
from benchmarks.rounds import Side, take_turns
from runtime.generator import Generator
from runtime.host import HostPlan, plan_by_rules, probe_host
from runtime.network import Network
from runtime.rows import keep_rows
from runtime.splitting import split_generator
from runtime.types import FaceBox, ReferenceFrame

if TYPE_CHECKING:
    from convert.networks.wav2lip import Wav2Lip

#: Rows that blending keeps: the network copies the upper half from its input.
FIRST_ROW = 48
#: The public notebook's batch is 128; 16 fits small machines and is no slower.
NOTEBOOK_BATCH = 16
WIDTHS = {"full": (1.0, 1.0), "bundled": (0.375, 0.5)}
# Small, because emulated bf16 takes seconds; PyTorch's f32 gains 3 % from 16.
_TORCH_BATCH = 2


class StoredModel(NamedTuple):
    """A network on disk as ``Generator`` takes it."""

    path: Path
    sha256: str


def measure_infer(size: str, *, rounds: int = 3) -> dict[str, Any]:
    """Compare every way of drawing mouths with one network's weights.

    Args:
        size: ``full`` (width 1) or ``bundled`` (the bundled network's width); random weights.
        rounds: Turns of every side.

    Returns:
        ``sides`` as of ``take_turns`` against the dense INT8 graph; multiply-accumulates of a frame
        and of a core's second in 10^9.
    """
    torch_network, dense = _networks(*WIDTHS[size])
    int8 = quantize(dense)
    plan = plan_by_rules(probe_host(), ["f32", "int8"])
    floats = replace(plan, precision="f32", unrolls_upsampling=False)
    sides: dict[str, Side] = {
        "PyTorch f32": _torch_side(torch_network),
        "PyTorch bf16 autocast": _torch_side(torch_network, autocast=True),
        "OpenVINO f32, notebook loop": _notebook_side(dense),
        "f32 dense": _dense_side(dense, floats),
        "int8 dense": _dense_side(int8, replace(plan, unrolls_upsampling=False)),
    }
    with TemporaryDirectory() as folder:
        stored = {"f32": _store(dense, Path(folder)), "int8": _store(int8, Path(folder))}
        ways = {
            "f32 rows, cached features": ("f32", floats, FIRST_ROW),
            "int8 cached features": ("int8", replace(plan, unrolls_upsampling=False), 0),
            "int8 rows, cached features": (
                "int8",
                replace(plan, unrolls_upsampling=False),
                FIRST_ROW,
            ),
            "int8 rows, cached features, unrolled": (
                "int8",
                replace(plan, unrolls_upsampling=True),
                FIRST_ROW,
            ),
        }
        if probe_host().has_fast_bf16:
            ways["bf16 rows, cached features"] = (
                "f32",
                replace(floats, precision="bf16"),
                FIRST_ROW,
            )
        for name, (file, how, first_row) in ways.items():
            sides[name] = _generator_side(Generator(stored[file], how, first_row=first_row))
        results = take_turns(sides, baseline="int8 dense", rounds=rounds)
    decoder = split_generator(int8).decoder
    return {
        "sides": results,
        "planned": "unrolled" if plan.unrolls_upsampling else "plain",
        "gmacs": {
            "dense": multiply_accumulates(int8) / 1e9,
            "cached features": multiply_accumulates(decoder) / 1e9,
            "rows, cached features": multiply_accumulates(keep_rows(decoder, FIRST_ROW)) / 1e9,
        },
        "peak_gmacs_per_core": peak_gmacs(),
    }


def multiply_accumulates(model: ov.Model) -> int:
    """Count the multiplications of all convolutions for one frame."""
    model = model.clone()
    shapes = {port: list(port.get_partial_shape()) for port in model.inputs}
    model.reshape({port: [1, *shape[1:]] for port, shape in shapes.items()})
    total = 0
    for node in model.get_ordered_ops():
        kernel = node.input(1).get_partial_shape() if node.get_input_size() > 1 else None
        if node.get_type_name() == "Convolution" and kernel is not None:
            total += prod(node.output(0).get_shape()) * prod(kernel.to_shape()[1:])
        elif node.get_type_name() == "ConvolutionBackpropData" and kernel is not None:
            total += prod(node.input(0).get_shape()) * prod(kernel.to_shape()[1:])
    return total


def full_size() -> tuple[Wav2Lip, ov.Model]:
    """Make the full-size network with random weights, for PyTorch and for OpenVINO."""
    return _networks(*WIDTHS["full"])


def still_reference(crop: NDArray[np.uint8]) -> ReferenceFrame:
    """Make a reference frame that is all face."""
    return ReferenceFrame(
        index=0,
        planes=np.zeros((144, 96), np.uint8),
        box=FaceBox(0, 0, 96, 96),
        angle=0.0,
        crop=crop,
        landmarks=np.zeros((468, 2), np.float32),
    )


def _networks(width: float, audio_width: float) -> tuple[Wav2Lip, ov.Model]:
    # Here and not above: a machine that only serves has no torch, and the other axes need none.
    import torch

    from convert.export import GeneratorMetadata, export_generator
    from convert.networks.wav2lip import Wav2Lip, channels_for_width

    torch.manual_seed(0)
    network = Wav2Lip(channels_for_width(width, audio_width)).eval()
    metadata = GeneratorMetadata(
        name="random", layout="wav2lip", checkpoint_sha256="0" * 64, licence="none", width="random"
    )
    return network, export_generator(network, metadata)


def _store(model: ov.Model, folder: Path) -> StoredModel:
    path = folder / f"{id(model)}.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return StoredModel(path, path.name)


def _torch_side(network: Wav2Lip, *, autocast: bool = False) -> Side:
    import torch

    torch.set_num_threads(probe_host().cores)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # pytorch/pytorch#132635
    mel = torch.rand(_TORCH_BATCH, 1, 80, 16)
    face = torch.rand(_TORCH_BATCH, 6, 96, 96).to(memory_format=torch.channels_last)

    def run(frames: int) -> int:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            for _ in range(_batches(frames, _TORCH_BATCH)):
                network(mel, face)
        return _batches(frames, _TORCH_BATCH) * _TORCH_BATCH

    return run


def _notebook_side(model: ov.Model) -> Side:
    """Mimic the public notebook: default compilation, one synchronous request after another."""
    compiled = ov.Core().compile_model(model, "CPU")
    batch = _inputs(NOTEBOOK_BATCH)

    def run(frames: int) -> int:
        for _ in range(_batches(frames, NOTEBOOK_BATCH)):
            compiled(list(batch))
        return _batches(frames, NOTEBOOK_BATCH) * NOTEBOOK_BATCH

    return run


def _dense_side(model: ov.Model, plan: HostPlan) -> Side:
    network = Network(model, plan, batch=plan.batch)
    batch = _inputs(plan.batch)

    def run(frames: int) -> int:
        return plan.batch * sum(1 for _ in network.run([batch] * _batches(frames, plan.batch)))

    return run


def _generator_side(generator: Generator) -> Side:
    faces, mels = _inputs(generator.plan.batch)
    reference = still_reference(faces[0])

    def run(frames: int) -> int:
        whole = _batches(frames, len(mels)) * len(mels)
        return sum(
            1 for _ in generator.generate(islice(cycle((reference, m) for m in mels), whole))
        )

    return run


def _batches(frames: int, size: int) -> int:
    return -(-frames // size)


def _inputs(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 96, 96, 3), np.uint8), mel_chunks(rng, count)
