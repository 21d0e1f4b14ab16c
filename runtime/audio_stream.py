"""Decoded samples of one audio stream, placed where the file's time stamps say."""

from collections.abc import Iterator

import av
import av.audio.stream
import av.container
import av.error
import numpy as np

from runtime.errors import AudioDecodeError
from runtime.media import MediaSource, decode_packets, source_name
from runtime.resampling import SoundArray

#: Offsets between sound and picture beyond this are broken time stamps, not intent.
MAX_OFFSET_S = 60.0
#: Holes between time stamps shorter than this are rounding, not lost sound.
MIN_HOLE_S = 0.1
#: Full scale of the integer sample formats by numpy kind and size in bytes.
INTEGER_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0, "i8": 9223372036854775808.0}
#: Left and right gain of each channel (ITU-R BS.775 stereo downmix; LFE is left out).
DOWNMIX = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (0.7071, 0.7071),
    "LFE": (0.0, 0.0),
    "BL": (0.7071, 0.0),
    "BR": (0.0, 0.7071),
    "SL": (0.7071, 0.0),
    "SR": (0.0, 0.7071),
}
UNKNOWN_CHANNEL = (0.5, 0.5)
EXPECTED = "a file with sound"


def first_stream(
    container: av.container.InputContainer, source: MediaSource
) -> av.audio.stream.AudioStream:
    """Give the first audio stream.

    Raises:
        AudioDecodeError: There is none, or it does not tell its rate.
    """
    name = source_name(source)
    if not container.streams.audio:
        kinds = sorted({str(stream.type) for stream in container.streams})
        found = f"only {' and '.join(kinds) or 'an empty file'} ({container.format.name})"
        raise AudioDecodeError(f"no sound in {name}: expected {EXPECTED}, found {found}")
    stream = container.streams.audio[0]
    # The annotation of PyAV leaves out that streams of unknown codecs have no context.
    if getattr(stream, "codec_context", None) is None:
        raise AudioDecodeError(
            f"cannot decode {name}: expected {EXPECTED}, found an unknown sound codec"
        )
    if not stream.rate or not stream.channels:
        raise AudioDecodeError(
            f"cannot decode {name}: expected {EXPECTED}, found an audio stream without a rate"
        )
    return stream


def decode_stream(
    container: av.container.InputContainer,
    stream: av.audio.stream.AudioStream,
    source: MediaSource,
) -> Iterator[SoundArray]:
    """Yield float32 ``(n, 1 or 2)`` on the file's time line; damaged parts are passed over."""
    # The number of channels at the start: a damaged stream may change it on the way.
    rate, channels = stream.rate, min(2, stream.channels)
    origin_s = _picture_start_s(container)
    position = 0
    for frame in _frames(container, stream, source):
        samples = _to_channels(_to_stereo(frame), channels)
        time_s: float | None = frame.time
        if time_s is not None:
            origin_s = time_s if origin_s is None else origin_s
            samples = _place(samples, (time_s - origin_s) * rate, position, rate)
        position += len(samples)
        yield samples
    if not position:
        raise AudioDecodeError(
            f"cannot decode {source_name(source)}: expected {EXPECTED}, "
            f"found a damaged or empty {stream.codec_context.name} stream"
        )


def _frames(
    container: av.container.InputContainer,
    stream: av.audio.stream.AudioStream,
    source: MediaSource,
) -> Iterator[av.AudioFrame]:
    rate, packets = stream.rate, container.demux(stream)
    for frame in decode_packets(packets, lambda packet: packet.decode(), source):
        if frame.sample_rate == rate:
            yield frame


def _picture_start_s(container: av.container.InputContainer) -> float | None:
    """Start of the first video stream in seconds; ``None`` for sound files, cover art aside."""
    for stream in container.streams.video:
        attached = av.stream.Disposition.attached_pic in stream.disposition
        if not attached and stream.start_time is not None:
            return float(stream.start_time * (stream.time_base or 0))
    return None


def _place(samples: SoundArray, wanted: float, position: int, rate: int) -> SoundArray:
    """Put samples where their time stamp says: silence into holes, a cut before the start."""
    hole = round(wanted) - position
    if abs(hole) > MAX_OFFSET_S * rate:
        return samples
    if hole < 0 and position == 0:
        return samples[-hole:]
    if hole > (0 if position == 0 else MIN_HOLE_S * rate):
        return np.concatenate([np.zeros((hole, samples.shape[1]), np.float32), samples])
    return samples


def _to_stereo(frame: av.AudioFrame) -> SoundArray:
    """Convert a decoded frame to float32 ``(n, 1 or 2)`` in [-1, 1]."""
    channels = frame.layout.nb_channels
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, channels)
    scale = INTEGER_SCALE.get(samples.dtype.str[1:])
    floats = np.nan_to_num(samples).astype(np.float32)
    if scale is not None:
        floats = floats / np.float32(scale) - np.float32(samples.dtype == np.uint8)
    if channels > 2:
        gains = [DOWNMIX.get(channel.name, UNKNOWN_CHANNEL) for channel in frame.layout.channels]
        matrix = np.array(gains, np.float32)
        floats = floats @ (matrix / matrix.sum(axis=0).max())
    return np.clip(floats, -1.0, 1.0)


def _to_channels(samples: SoundArray, channels: int) -> SoundArray:
    """Keep the number of channels when a stream changes it on the way."""
    if samples.shape[1] == channels:
        return samples
    return np.repeat(samples.mean(axis=1, keepdims=True), channels, axis=1)
