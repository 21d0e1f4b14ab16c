"""Compiled networks: metadata checked, requests in an ordered ring."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from runtime.errors import ModelMismatchError, ModelNotFoundError
from runtime.host import HostPlan

SCHEMA = "1"
NAMESPACE = "mouthpiece"

Array = NDArray[Any]
Item = TypeVar("Item")


def load_model(path: Path, *, role: str, expected: Mapping[str, str] | None = None) -> ov.Model:
    """Read an IR and check what it says about itself.

    Args:
        path: The ``.xml`` file; the ``.bin`` lies beside it.
        role: What the network must be: ``generator``, ``lips``, ``detector`` or ``landmarks``.
        expected: Further keys of the metadata with the only value allowed.

    Returns:
        The graph, not compiled.

    Raises:
        ModelNotFoundError: The file is missing or is no IR.
        ModelMismatchError: A key of ``mouthpiece/`` has another value than needed.
    """
    model = _read(path)
    for key, value in {"schema": SCHEMA, "role": role, **(expected or {})}.items():
        found = describe(model).get(key, "nothing")
        if found != value:
            raise ModelMismatchError(
                f"{path}: metadata {NAMESPACE}/{key} must be {value!r}, found {found!r}"
            )
    return model


def read_facts(path: Path) -> dict[str, str]:
    """Give the metadata of an IR, as text.

    Raises:
        ModelNotFoundError: The file is missing or is no IR.
    """
    return describe(_read(path))


def describe(model: ov.Model) -> dict[str, str]:
    """Give the metadata under ``mouthpiece/`` of a graph, as text."""
    if NAMESPACE not in model.rt_info:
        return {}
    return {key: str(value.astype(str)) for key, value in model.rt_info[NAMESPACE].items()}


def _read(path: Path) -> ov.Model:
    try:
        return _core().read_model(path)
    except RuntimeError as error:
        raise ModelNotFoundError(f"no readable network at {path}") from error


class Network:
    """A network compiled for this host, with a ring of asynchronous requests.

    Safe to share between threads: every ``run`` draws its requests from a common pool.
    """

    def __init__(
        self,
        model: ov.Model,
        plan: HostPlan,
        *,
        batch: int | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        """Compile.

        Args:
            model: The graph; left as it is.
            plan: Precision, streams and threads.
            batch: Compile for exactly this batch, which is faster; smaller requests are padded.
                ``None`` keeps the graph's own dimensions.
            cache_dir: Where OpenVINO keeps compiled networks; ``None`` for nowhere.
        """
        if batch is not None:
            model = _with_batch(model, batch)
        config = plan.compile_config()
        if cache_dir is not None:
            config["CACHE_DIR"] = str(cache_dir)
        self._compiled = _core().compile_model(model, "CPU", config)
        self._outputs = len(self._compiled.outputs)
        self._batch = batch
        self._depth = plan.requests
        self._idle: list[ov.InferRequest] = []
        self._lock = threading.Lock()

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the inputs in order; -1 where any length fits."""
        return tuple(
            tuple(-1 if side.is_dynamic else side.get_length() for side in port.partial_shape)
            for port in self._compiled.inputs
        )

    def run(self, inputs: Iterable[Sequence[Array]]) -> Generator[tuple[Array, ...], None, None]:
        """Infer, several requests at a time, answers in the order of the inputs.

        With ``requests=1`` in the plan answer k leaves before input k + 1 is pulled.

        Args:
            inputs: One array for each input of the network, in its order, for each request. The
                arrays are read in place and must not change until the answer is out. The first
                array's length is the number of answers wanted.

        Yields:
            One array for each output of the network, owned by the caller.
        """
        flying: deque[_Flight] = deque()
        try:
            for arrays in inputs:
                flying.append(self._start(arrays))
                if len(flying) >= self._depth:
                    yield self._finish(flying.popleft())
            # Oldest request first: order is then free and a slow consumer slows the producer.
            while flying:
                yield self._finish(flying.popleft())
        finally:
            for flight in flying:
                self._finish(flight)

    def infer(self, *inputs: Array) -> tuple[Array, ...]:
        """Infer once and give one array for each output."""
        return next(self.run([inputs]))

    def warm_up(self, batch: int = 1) -> None:
        """Infer zeros once in every request, so that the first real answer is not slow."""
        shapes = [
            tuple(batch if side < 0 else side for side in shape) for shape in self.input_shapes
        ]
        kinds = [port.element_type.to_dtype() for port in self._compiled.inputs]
        zeros = [np.zeros(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
        deque(self.run([zeros] * self._depth), maxlen=0)

    def _start(self, arrays: Sequence[Array]) -> _Flight:
        with self._lock:
            request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        # Tensors over foreign memory do not keep it alive: the flight does.
        held = [self._padded(array) for array in arrays]
        for index, array in enumerate(held):
            request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
        request.start_async()
        return _Flight(request, held, len(arrays[0]))

    def _padded(self, array: Array) -> Array:
        missing = 0 if self._batch is None else self._batch - len(array)
        if not missing:
            return np.ascontiguousarray(array)
        return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])

    def _finish(self, flight: _Flight) -> tuple[Array, ...]:
        request = flight.request
        request.wait()
        wanted = slice(None if self._batch is None else flight.wanted)
        answer = tuple(
            request.get_output_tensor(index).data[wanted].copy() for index in range(self._outputs)
        )
        with self._lock:
            self._idle.append(request)
        return answer


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of ``size``; the last one may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _with_batch(model: ov.Model, batch: int) -> ov.Model:
    model = model.clone()
    shapes = {port: list(port.get_partial_shape()) for port in model.inputs}
    model.reshape({port: [batch, *shape[1:]] for port, shape in shapes.items()})
    return model


class _Flight(NamedTuple):
    """A request under way and the memory it reads."""

    request: ov.InferRequest
    inputs: list[Array]
    wanted: int


@cache
def _core() -> ov.Core:
    # One plug-in for the process: its thread pools and weight cache are shared by all networks.
    return ov.Core()
