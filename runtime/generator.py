"""The generator: reference frames and mel chunks in, mouths out, in batches and in order."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from runtime.audio_lips import AudioLips
from runtime.host import HostPlan
from runtime.models import ModelSource
from runtime.network import Network, batches, describe, load_model
from runtime.rows import keep_rows
from runtime.splitting import SplitGenerator, split_generator
from runtime.types import CROP_SIZE, FaceCrop, MelChunk, MouthCrop, ReferenceFrame
from runtime.upsampling import unroll_upsampling

#: Face-encoder features of one crop, largest first: uint8 or float16 ``(h, w, c)``.
Features = tuple[NDArray[Any], ...]

#: What the engine promises and a generator must have been made for.
EXPECTED = {"crop_size": str(CROP_SIZE), "mel_spec": "wav2lip-16k-80x16", "colour": "BGR"}
#: A mel chunk of digital silence; the lowest value of the normalised scale.
SILENCE: MelChunk = np.full((80, 16), -4.0, np.float32)
# Rest mouths are 27 kB each; features of a full-size network are up to 0.58 MB each.
_REST_MEMO = 512
_FEATURE_MEMO = 32

Value = TypeVar("Value")


class Generator:
    """Draws mouths; safe to share between threads.

    Attributes:
        name: Of the network.
        licence: Short name of its licence.
        mel_offset: Columns between a frame's begin and the begin of its chunk.
        digest: Changes whenever what it draws or hears could.
        plan: How it runs here.
        lips: Hears lip movements; ``None`` where they must be read off drawn mouths.
    """

    def __init__(
        self,
        model_file: ModelSource,
        plan: HostPlan,
        *,
        lips: ModelSource | None = None,
        first_row: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        """Read the network; it is cut in two, and each part compiled, when first needed.

        Args:
            model_file: The IR and its digest.
            plan: Precision, streams, threads and batch.
            lips: The network that hears lip movements, for blending that needs no drawn mouth.
            first_row: Rows of the crop above this one are not computed but taken from the
                reference crop. 0 computes everything.
            cache_dir: Where OpenVINO keeps compiled networks; ``None`` for nowhere.

        Raises:
            ModelNotFoundError: The IR is missing or unreadable.
            ModelMismatchError: The IR was not made for this engine.
        """
        model = load_model(model_file.path, role="generator", expected=EXPECTED)
        facts = describe(model)
        self.name = facts.get("name", model_file.path.stem)
        self.licence = facts.get("licence", "unknown")
        self.mel_offset = int(facts.get("mel_offset", "0"))
        self.digest = model_file.sha256
        self.plan = plan
        self.lips: AudioLips | None = None
        if lips is not None:
            self.digest = hashlib.sha256(f"{self.digest}{lips.sha256}".encode()).hexdigest()
            self.lips = AudioLips(lips, plan, mel_offset=self.mel_offset, cache_dir=cache_dir)
        self.first_row = first_row
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._model = model
        if lips is None:
            # Mouths will be drawn: a network that cannot be cut is refused now.
            self._split  # noqa: B018 - read to be made
        self._features: _Memo[Features] = _Memo(_FEATURE_MEMO)
        self._rest: _Memo[MouthCrop] = _Memo(_REST_MEMO)

    def generate(self, pairs: Iterable[tuple[ReferenceFrame, MelChunk]]) -> Iterator[MouthCrop]:
        """Draw one mouth for each pair, in order.

        Args:
            pairs: Reference frame and its 200 ms of sound; pulled one batch ahead at most for
                each request in flight.

        Yields:
            uint8 ``(96, 96, 3)`` BGR; rows above ``first_row`` are the reference crop's.
        """
        waiting: deque[list[ReferenceFrame]] = deque()

        def requests() -> Iterator[Sequence[NDArray[Any]]]:
            rows = [shape[1] for shape in self._decoder.input_shapes[1:]]
            repeated = _Repeated(rows, self.plan.batch)
            for batch in batches(pairs, self.plan.batch):
                references = [reference for reference, _ in batch]
                waiting.append(references)
                yield (
                    np.stack([chunk for _, chunk in batch]),
                    *repeated.stack(self._features_of(references)),
                )

        for (lower,) in self._decoder.run(requests()):
            for reference, rows in zip(waiting.popleft(), lower, strict=True):
                yield self._whole(reference.crop, rows)

    def encode(self, crops: Sequence[FaceCrop]) -> list[Features]:
        """Compute the face-encoder features of crops, one tuple for each crop."""
        faces = (np.stack(batch) for batch in batches(crops, self.plan.batch))
        return [
            tuple(level[index].copy() for level in levels)
            for levels in self._encoder.run((face,) for face in faces)
            for index in range(len(levels[0]))
        ]

    def rest(self, reference: ReferenceFrame) -> MouthCrop:
        """Draw the mouth that says nothing; remembered for the crops used last."""
        key = reference.crop.tobytes()
        return self._rest.get(key, lambda: next(self.generate([(reference, SILENCE)])))

    def knows_rest(self, reference: ReferenceFrame) -> bool:
        """Tell whether ``rest`` remembers a frame's mouth."""
        return self._rest.holds(reference.crop.tobytes())

    def keep_rest(self, reference: ReferenceFrame, mouth: MouthCrop) -> None:
        """Remember a mouth that was drawn for ``SILENCE`` among others, as ``rest`` does."""
        # A copy: the mouth may be a view of its whole batch.
        self._rest.keep(reference.crop.tobytes(), mouth.copy())

    def draw(self, reference: ReferenceFrame, chunks: Sequence[MelChunk]) -> Sequence[MouthCrop]:
        """Draw one frame's mouths for a few sounds, in order."""
        return list(self.generate((reference, chunk) for chunk in chunks))

    def warm_up(self) -> None:
        """Run once on zeros what is used first, so that it is not slow then."""
        if self.lips is not None:
            self.lips.warm_up()
        else:
            self._decoder.warm_up()

    @property
    def _encoder(self) -> Network:
        with self._lock:
            return self._compiled_encoder

    @property
    def _decoder(self) -> Network:
        with self._lock:
            return self._compiled_decoder

    @cached_property
    def _split(self) -> SplitGenerator:
        return split_generator(self._model)

    @cached_property
    def _compiled_encoder(self) -> Network:
        return self._compile(self._split.face_encoder)

    @cached_property
    def _compiled_decoder(self) -> Network:
        decoder = keep_rows(self._split.decoder, self.first_row)
        return self._compile(
            unroll_upsampling(decoder) if self.plan.unrolls_upsampling else decoder
        )

    def _compile(self, model: ov.Model) -> Network:
        return Network(model, self.plan, batch=self.plan.batch, cache_dir=self._cache_dir)

    def _features_of(self, references: Sequence[ReferenceFrame]) -> list[Features]:
        new = {
            reference.crop.tobytes(): reference.crop
            for reference in references
            if reference.features is None and not self._features.holds(reference.crop.tobytes())
        }
        if new:  # the face encoder is compiled when it is asked for the first time
            for key, features in zip(new, self.encode(list(new.values())), strict=True):
                self._features.keep(key, features)
        return [
            reference.features or self._remembered_features(reference.crop)
            for reference in references
        ]

    def _remembered_features(self, crop: FaceCrop) -> Features:
        return self._features.get(crop.tobytes(), lambda: self.encode([crop])[0])

    def _whole(self, crop: FaceCrop, rows: NDArray[np.uint8]) -> MouthCrop:
        if not self.first_row:
            return rows
        return np.concatenate([crop[: self.first_row], rows])


class _Repeated:
    """Stack the rows of features that a decoder takes; a still picture's batch is made once."""

    def __init__(self, rows: Sequence[int], batch: int) -> None:
        self._rows = rows
        self._batch = batch
        self._last: Features | None = None
        self._stacked: tuple[NDArray[Any], ...] = ()

    def stack(self, features: Sequence[Features]) -> tuple[NDArray[Any], ...]:
        first = features[0]
        if any(other is not first for other in features):
            return tuple(np.stack(level) for level in zip(*map(self._kept, features), strict=True))
        if first is not self._last:
            self._last = first
            self._stacked = tuple(
                np.repeat(level[None], self._batch, 0) for level in self._kept(first)
            )
        return self._stacked

    def _kept(self, features: Features) -> Features:
        return tuple(level[-rows:] for level, rows in zip(features, self._rows, strict=True))


class _Memo(Generic[Value]):
    """The values used last, by key; safe between threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        self.keep(key, value)
        return value

    def holds(self, key: bytes) -> bool:
        with self._lock:
            return key in self._values

    def keep(self, key: bytes, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._size:
                self._values.popitem(last=False)
