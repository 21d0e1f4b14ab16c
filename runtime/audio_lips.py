"""Lip movements straight from sound, for blending that moves a picture's own lips.

A generator draws a mouth, and ``warp`` then reads off it where the lips go. This small network
leaves the drawing out: the movement belongs to the sound, so every face makes the same one, also
faces on which drawn lips are hard to read. It costs a twentieth of a drawn mouth.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from runtime.chunks import CHUNK_COLUMNS
from runtime.host import HostPlan
from runtime.models import ModelSource
from runtime.network import Network, batches, describe, load_model
from runtime.types import LipMovement, MelChunk


class AudioLips:
    """Hears lip movements; safe to share between threads.

    Attributes:
        name: Of the network.
        around: Columns heard before and after the sixteen that a generator hears.
    """

    def __init__(
        self,
        model_file: ModelSource,
        plan: HostPlan,
        *,
        mel_offset: int,
        cache_dir: Path | None = None,
    ) -> None:
        """Read the network and compile it.

        Args:
            model_file: The IR and its digest.
            plan: Streams, threads and batch.
            mel_offset: Columns between a frame's begin and the begin of its generator's chunk.
            cache_dir: Where OpenVINO keeps compiled networks; ``None`` for nowhere.

        Raises:
            ModelNotFoundError: The IR is missing or unreadable.
            ModelMismatchError: The IR was not made for this engine or hears other chunks.
        """
        expected = {"mel_spec": "wav2lip-16k-80", "mel_offset": str(mel_offset)}
        model = load_model(model_file.path, role="lips", expected=expected)
        # Rounding to bf16 would shake lips that hardly move; there is little here to be won by it.
        plan = replace(plan, precision="f32")
        self.name = describe(model).get("name", model_file.path.stem)
        self._batch = plan.batch
        self._network = Network(model, plan, batch=plan.batch, cache_dir=cache_dir)
        self.around = (self._network.input_shapes[0][2] - CHUNK_COLUMNS) // 2

    def movements(self, chunks: Iterable[MelChunk]) -> Iterator[LipMovement]:
        """Give one movement for each chunk, in order.

        Args:
            chunks: Sound of each frame, float32 ``(80, 16 + 2 * around)``; pulled one batch ahead
                at most for each request in flight.
        """
        requests = ([np.stack(batch)] for batch in batches(chunks, self._batch))
        for (motions,) in self._network.run(requests):
            yield from map(LipMovement, motions)

    def warm_up(self) -> None:
        """Run the network once on zeros, so that the first movement is not slow."""
        self._network.warm_up()
