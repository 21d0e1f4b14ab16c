"""Cut a mel spectrogram into the 200 ms that the network hears for each video frame."""

from fractions import Fraction

import numpy as np

from runtime.media import exact_rate
from runtime.types import SAMPLE_RATE, MelChunk, MelSpectrogram

CHUNK_COLUMNS = 16
COLUMNS_PER_S = 80


def frame_count(sample_count: int, fps: float) -> int:
    """Give the number of video frames for a sound.

    The video is never shorter than the sound, and at most one frame longer.

    Args:
        sample_count: Samples at 16 kHz.
        fps: Frames per second.
    """
    return max(1, -int(-sample_count * exact_rate(fps) // SAMPLE_RATE))


def first_column(frame: int, fps: float | Fraction) -> int:
    """Give the mel column where a frame begins, ``int(frame * 80 / fps)`` as in Wav2Lip."""
    return int(frame * COLUMNS_PER_S // exact_rate(fps))


class MelChunker:
    """Chunks of a growing mel spectrogram; any cut of it gives the same chunks.

    Frame i hears 16 columns from ``int(i * 80 / fps) + offset``. Columns before the sound repeat
    its first one. At the end there are two rules. With offset 0, the public checkpoint's, a chunk
    that would pass the end is moved back to end there, as Wav2Lip does for its last frame. With
    any other offset columns after the end repeat the last one, so that the mouth keeps moving to
    the end. A sound of fewer than 16 columns repeats its last column under both rules.

    Args:
        fps: Frames per second of the video.
        offset: Columns between a frame's begin and the begin of its chunk, from the network's
            metadata (``mel_offset``).
        around: Columns that chunks have more on both sides; ``narrowed`` takes them off again.
    """

    def __init__(self, fps: float, *, offset: int = 0, around: int = 0) -> None:
        self._rate = exact_rate(fps)
        self._offset = offset
        self._around = around
        self._frame = 0
        self._end = 0
        self._kept: MelSpectrogram | None = None

    def push(self, mel: MelSpectrogram) -> list[MelChunk]:
        """Take the next columns and give the chunks that are complete.

        Args:
            mel: float32 ``(80, t)``.

        Returns:
            float32 ``(80, 16 + 2 * around)`` each, in frame order.
        """
        self._keep(mel)
        chunks: list[MelChunk] = []
        while self._is_complete(self._frame):
            chunks.append(self._cut(self._start(self._frame)))
            self._frame += 1
        self._drop()
        return chunks

    def flush(self, frame_count: int) -> list[MelChunk]:
        """Give the remaining chunks, ``frame_count`` in all; call once, at the end."""
        if self._kept is None:
            silence = np.full((80, 1), -4.0, np.float32)
            self._keep(silence)
        latest = max(0, self._end - CHUNK_COLUMNS) if self._offset == 0 else self._end
        starts = [self._start(frame) for frame in range(self._frame, frame_count)]
        self._frame = max(self._frame, frame_count)
        return [self._cut(min(start, latest)) for start in starts]

    def _start(self, frame: int) -> int:
        return first_column(frame, self._rate) + self._offset

    def _is_complete(self, frame: int) -> bool:
        # The second bound says that the sound lasts beyond the frame's begin: without it a
        # negative offset would give chunks for frames that the sound does not reach.
        begin = first_column(frame, self._rate)
        heard = begin + self._offset + CHUNK_COLUMNS + self._around
        return max(heard, begin + 2) <= self._end

    def _keep(self, mel: MelSpectrogram) -> None:
        self._kept = mel if self._kept is None else np.concatenate([self._kept, mel], axis=1)
        self._end += mel.shape[1]

    def _drop(self) -> None:
        """Forget columns that no later chunk needs; the last 16 stay for the end."""
        if self._kept is None:
            return
        needed = min(self._start(self._frame), self._end - CHUNK_COLUMNS) - self._around
        surplus = needed - (self._end - self._kept.shape[1])
        if surplus > 0:
            self._kept = self._kept[:, surplus:]

    def _cut(self, start: int) -> MelChunk:
        kept = self._kept
        if kept is None:
            raise ValueError("no columns were pushed")
        origin = self._end - kept.shape[1]
        wanted = np.arange(start - self._around, start + CHUNK_COLUMNS + self._around)
        columns = np.clip(wanted, 0, self._end - 1)
        return np.ascontiguousarray(kept[:, columns - origin])


def narrowed(chunk: MelChunk) -> MelChunk:
    """Give the sixteen columns in the middle of a chunk."""
    around = (chunk.shape[1] - CHUNK_COLUMNS) // 2
    return np.ascontiguousarray(chunk[:, around : around + CHUNK_COLUMNS])
