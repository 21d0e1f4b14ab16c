"""Streaming change of sample rate with exact length and no delay (libsoxr)."""

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

#: float32 ``(n, channels)``, [-1, 1].
SoundArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MuxAudio:
    """The sound that goes into the output video.

    Attributes:
        sample_rate: Hz, as in the source.
        channels: 1 or 2.
    """

    sample_rate: int
    channels: int


#: libsoxr's 20-bit quality, the one ``librosa.load`` uses ("soxr_hq").
QUALITY = "HQ"


class Resampler:
    """Change the sample rate of a stream.

    n input samples give exactly ``round(n * target_rate / source_rate)`` output samples, in
    step with the input: libsoxr takes its own filter delay out.
    """

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        self._ratio = (target_rate, source_rate)
        self._channels = channels
        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(
                source_rate, target_rate, channels, dtype="float32", quality=QUALITY
            )
        )
        self._taken = 0
        self._given = 0

    def push(self, samples: SoundArray) -> SoundArray:
        """Take the next samples and give those that are ready.

        Args:
            samples: float32 ``(n, channels)`` at the source rate.

        Returns:
            float32 ``(m, channels)`` at the target rate, possibly empty.
        """
        if self._stream is None:
            return samples
        self._taken += len(samples)
        return self._count(self._stream.resample_chunk(np.ascontiguousarray(samples)))

    def flush(self) -> SoundArray:
        """Give the remaining samples; call once, at the end."""
        empty = np.zeros((0, self._channels), np.float32)
        if self._stream is None:
            return empty
        tail = self._stream.resample_chunk(empty, last=True)
        target_rate, source_rate = self._ratio
        expected = (2 * self._taken * target_rate + source_rate) // (2 * source_rate)
        missing = expected - self._given - len(tail)
        if missing > 0:
            tail = np.concatenate([tail, np.zeros((missing, self._channels), np.float32)])
        return self._count(tail[: max(0, expected - self._given)])

    def _count(self, samples: SoundArray) -> SoundArray:
        self._given += len(samples)
        return np.clip(samples, -1.0, 1.0)
