"""Sound of any container and codec, block by block, for the network and for the output video."""

import io
import math
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from runtime.audio_stream import EXPECTED, decode_stream, first_stream
from runtime.errors import AudioDecodeError, AudioTooLongError, AudioTooShortError
from runtime.media import MediaSource, header_length_s, open_media, source_name
from runtime.resampling import MuxAudio, Resampler, SoundArray
from runtime.types import SAMPLE_RATE, Waveform

#: One mel column's worth of 16 kHz samples: the least sound that can be animated.
MIN_SAMPLES = 200
SILENCE_DBFS = -120.0


class SoundBlock(NamedTuple):
    """A stretch of sound in both forms; the two streams differ by the resampler's look-ahead.

    Attributes:
        waveform: For the network: float32 ``(n,)``, 16 kHz mono.
        original: For the output video: float32 ``(m, channels)`` at the source's own rate.
    """

    waveform: Waveform
    original: SoundArray


@dataclass(frozen=True, slots=True)
class Sound:
    """An opened source: decoded once, read once, in both forms.

    Attributes:
        mux: Rate and channels of the original.
        blocks: The sound, in order.
        header_s: Length in seconds as the header says, an estimate; 0 when it does not tell.
    """

    mux: MuxAudio
    blocks: Iterator[SoundBlock]
    header_s: float


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a sound file holds.

    Attributes:
        duration_s: Length of the decoded sound in seconds.
        sample_rate: Hz.
        channels: Channels in the file.
        codec: Codec name as FFmpeg spells it.
        peak_dbfs: Largest absolute sample; -120 for digital silence.
        rms_dbfs: Root mean square level; -120 for digital silence.
    """

    duration_s: float
    sample_rate: int
    channels: int
    codec: str
    peak_dbfs: float
    rms_dbfs: float


@contextmanager
def open_sound(
    source: MediaSource, *, block_s: float = 1.0, max_s: float | None = None
) -> Iterator[Sound]:
    """Open the first audio stream of a sound or video file, for one pass.

    Sample 0 is the start of the picture when the file has one: sound that begins later is
    preceded by silence, sound that begins earlier is cut. Channels beyond two are mixed down to
    stereo; the network hears the mean of the channels.

    Args:
        source: Path, or the file's bytes.
        block_s: Largest length of a block in seconds.
        max_s: Limit on the length in seconds, ``None`` for no limit.

    Yields:
        The sound; its ``blocks`` raise what reading raises.

    Raises:
        AudioDecodeError: The file is not readable or has no sound.
        AudioTooLongError: The sound is longer than ``max_s``.
        AudioTooShortError: The sound is shorter than one mel column (12.5 ms).
    """
    with open_media(source, error=AudioDecodeError, expected=EXPECTED) as container:
        stream = first_stream(container, source)
        mux = MuxAudio(stream.rate, min(2, stream.channels))
        samples = _limit(decode_stream(container, stream, source), mux, source, max_s)
        blocks = _both_forms(_regroup(samples, mux, block_s), mux, source)
        yield Sound(mux, blocks, header_length_s(container, stream))


def decode_audio(
    source: MediaSource, *, block_s: float = 1.0, max_s: float | None = None
) -> Iterator[Waveform]:
    """Decode the first audio stream of a sound or video file, block by block.

    Args:
        source: Path, or the file's bytes.
        block_s: Largest length of a block in seconds.
        max_s: Limit on the length in seconds, ``None`` for no limit.

    Yields:
        float32 ``(n,)``, 16 kHz mono; n samples at rate r become ``round(n * 16000 / r)``.

    Raises:
        AudioDecodeError: The file is not readable or has no sound.
        AudioTooLongError: The sound is longer than ``max_s``.
        AudioTooShortError: The sound is shorter than one mel column (12.5 ms).
    """
    with open_sound(source, block_s=block_s, max_s=max_s) as sound:
        for block in sound.blocks:
            if len(block.waveform):
                yield block.waveform


def read_audio(source: MediaSource) -> Waveform:
    """Decode a whole sound, float32 ``(n,)``; see ``decode_audio``."""
    return np.concatenate(list(decode_audio(source)))


def probe_audio(source: MediaSource) -> AudioInfo:
    """Measure a sound: length, format and loudness; reads it once, in bounded memory.

    Raises:
        AudioDecodeError: The file is not readable or has no sound.
    """
    with open_media(source, error=AudioDecodeError, expected=EXPECTED) as container:
        stream = first_stream(container, source)
        count, peak, energy = 0, 0.0, 0.0
        for samples in decode_stream(container, stream, source):
            mono = samples.mean(axis=1)
            count += len(mono)
            peak = max(peak, float(np.abs(mono).max(initial=0.0)))
            energy += float(np.dot(mono, mono))
        return AudioInfo(
            duration_s=count / stream.rate,
            sample_rate=stream.rate,
            channels=stream.channels,
            codec=stream.codec_context.name,
            peak_dbfs=_dbfs(peak),
            rms_dbfs=_dbfs(math.sqrt(energy / max(1, count))),
        )


def encode_wav(waveform: Waveform, *, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Encode mono sound as a 16-bit WAV file.

    Args:
        waveform: float32 ``(n,)``, [-1, 1].
        sample_rate: Hz.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.rint(np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _limit(
    blocks: Iterable[SoundArray], mux: MuxAudio, source: MediaSource, max_s: float | None
) -> Iterator[SoundArray]:
    total = 0
    for block in blocks:
        total += len(block)
        if max_s is not None and total > max_s * mux.sample_rate:
            raise AudioTooLongError(
                f"{source_name(source)} is too long: expected at most {max_s:g} s of sound"
            )
        yield block


def _regroup(blocks: Iterable[SoundArray], mux: MuxAudio, block_s: float) -> Iterator[SoundArray]:
    """Yield blocks of ``block_s`` seconds, the last one shorter."""
    size = max(1, round(block_s * mux.sample_rate))
    waiting: list[SoundArray] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        if count < size:
            continue
        joined = np.concatenate(waiting)
        for start in range(0, count - size + 1, size):
            yield joined[start : start + size]
        waiting = [joined[count - count % size :]]
        count %= size
    if count:
        yield np.concatenate(waiting)


def _both_forms(
    blocks: Iterable[SoundArray], mux: MuxAudio, source: MediaSource
) -> Iterator[SoundBlock]:
    resampler = Resampler(mux.sample_rate, SAMPLE_RATE, 1)
    total = 0
    for block in blocks:
        waveform = resampler.push(block.mean(axis=1, keepdims=True))[:, 0]
        total += len(waveform)
        yield SoundBlock(waveform, block)
    tail = resampler.flush()[:, 0]
    if total + len(tail) < MIN_SAMPLES:
        raise AudioTooShortError(
            f"{source_name(source)} is too short: expected at least "
            f"{1000 * MIN_SAMPLES / SAMPLE_RATE:g} ms of sound, "
            f"found {1000 * (total + len(tail)) / SAMPLE_RATE:.1f} ms"
        )
    yield SoundBlock(tail, np.zeros((0, mux.channels), np.float32))


def _dbfs(level: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(level)) if level > 0 else SILENCE_DBFS
