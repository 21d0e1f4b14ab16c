"""A face network, compiled once and shared between threads."""

import hashlib
import queue
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op
from openvino.preprocess import ColorFormat, PrePostProcessor

from runtime.network import describe, load_model

_CONFIG = {
    "PERFORMANCE_HINT": "LATENCY",
    # Landmarks must not depend on the processor's generation.
    "INFERENCE_PRECISION_HINT": "f32",
}


class FaceNetwork:
    """Runs one picture through a network at once, whoever asks.

    Attributes:
        digest: Hex SHA-256 that changes with the network.
    """

    def __init__(self, model: ov.Model, digest: str, *, threads: int = 1) -> None:
        """Keep the graph until the first run: naming a cached avatar asks for the digest alone.

        Args:
            model: The graph.
            digest: Names it.
            threads: Threads of one run; 0 for all.
        """
        self.digest = digest
        self._model = model
        self._config = {**_CONFIG, "INFERENCE_NUM_THREADS": threads}
        self._lock = threading.Lock()
        self._compiled: ov.CompiledModel | None = None
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()

    def __call__(
        self, pictures: NDArray[np.uint8] | NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        """Run one batch.

        Args:
            pictures: uint8 ``(n, h, w, 3)``, BGR; or float32 features for an inner network.

        Returns:
            The outputs in the network's order, copied.
        """
        compiled = self._ready()
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = compiled.create_infer_request()
        try:
            # Through tensors: the call that takes arrays spends 0.1 ms on finding out their types.
            tensor = ov.Tensor(np.ascontiguousarray(pictures), shared_memory=True)
            request.set_input_tensor(tensor)
            request.infer()
            ports = range(len(compiled.outputs))
            return [np.array(request.get_output_tensor(port).data, np.float32) for port in ports]
        finally:
            self._idle.put(request)

    def _ready(self) -> ov.CompiledModel:
        with self._lock:
            if self._compiled is None:
                self._compiled = ov.Core().compile_model(self._model, "CPU", self._config)
            return self._compiled


def load_face_network(
    path: Path,
    role: str,
    *,
    mean: float = 0.0,
    scale: float = 255.0,
    threads: int = 1,
    has_planar_maps: bool = False,
) -> FaceNetwork:
    """Read a face network that takes uint8 BGR pictures, whatever its file takes.

    Args:
        path: The IR's ``.xml``.
        role: ``detector`` or ``landmarks``.
        mean: Level that becomes 0 for a file that takes float RGB.
        scale: Levels that become 1 for a file that takes float RGB.
        threads: Threads of one run; 0 for all.
        has_planar_maps: Give feature maps, stored ``(1, h, w, c)``, as ``(1, c, h, w)``.

    Returns:
        The compiled network.

    Raises:
        ModelNotFoundError: There is no readable network.
        ModelMismatchError: It is a network of another kind.
    """
    model = load_model(path, role=role)
    facts = describe(model)
    if model.input(0).element_type != ov.Type.u8:
        model = _take_bgr_bytes(model, mean, scale)
    if has_planar_maps:
        _make_maps_planar(model)
    return FaceNetwork(model, _digest(path, facts), threads=threads)


def load_inner_network(path: Path, role: str) -> tuple[FaceNetwork, dict[str, str]]:
    """Read a network that takes another one's features, as they are.

    Args:
        path: The IR's ``.xml``.
        role: ``detector`` or ``landmarks``.

    Returns:
        The compiled network and its metadata.

    Raises:
        ModelNotFoundError: There is no readable network.
        ModelMismatchError: It is a network of another kind.
    """
    model = load_model(path, role=role)
    facts = describe(model)
    return FaceNetwork(model, _digest(path, facts)), facts


def _take_bgr_bytes(model: ov.Model, mean: float, scale: float) -> ov.Model:
    steps = PrePostProcessor(model)
    tensor = steps.input(0).tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.BGR)
    steps.input(0).model().set_layout(ov.Layout("NHWC"))
    convert = steps.input(0).preprocess()
    convert.convert_element_type(ov.Type.f32).convert_color(ColorFormat.RGB)
    convert.mean(mean).scale(scale)
    return steps.build()


def _make_maps_planar(model: ov.Model) -> None:
    """Turn the network's last step round: in the stored order it costs a third of a run."""
    for result in model.get_results():
        # Points and scores are (1, 1, 1, n).
        if result.get_output_shape(0)[1] > 1:
            planar = op.transpose(result.input_value(0), op.constant(np.array([0, 3, 1, 2])))
            result.input(0).replace_source_output(planar.output(0))
    model.validate_nodes_and_infer_types()


def _digest(path: Path, facts: Mapping[str, str]) -> str:
    """Name a network by its weights' source, which is the same on every machine, if known."""
    if facts.get("checkpoint_sha256"):
        parts = (facts["checkpoint_sha256"], facts.get("precision", ""), facts.get("layout", ""))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    digest = hashlib.sha256(path.read_bytes())
    digest.update(path.with_suffix(".bin").read_bytes())
    return digest.hexdigest()
