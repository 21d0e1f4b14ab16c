"""Encoding of pictures and sound into one film: H.264 + AAC, or VP9 with opacity + Opus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO, cast

import av
import av.audio.stream
import av.codec.context
import av.container
import av.video.stream
import numpy as np

from runtime.destination import Destination
from runtime.encoder_picture import BT601, LIMITED_RANGE, EncoderPicture
from runtime.errors import OptionError
from runtime.media import exact_rate
from runtime.resampling import MuxAudio, Resampler, SoundArray
from runtime.types import Patch

#: Constant quality and speed of the H.264 encoder (benchmarks/encode.py).
DEFAULT_CRF = 17
DEFAULT_PRESET = "ultrafast"
#: With the default preset every frame is quantized alike, key frames half as coarsely: a talking
#: face of 350 pixels on a still 1024 x 1024 picture costs 2.4 ms a frame of one core. Looking ahead
#: to find what stays on screen (macroblock trees) costs 1.3 ms more for the same quality and bits;
#: "superfast" and "veryfast" cost 6.7 ms.
DEFAULT_TUNING = "ipratio=2:b-adapt=0:scenecut=0:deblock=1:cabac=1"
#: Quantizers of most frames lie about this far above the constant quality that they look like.
QUANTIZER_OVER_CRF = 3
#: Frames between two neighbours save half the bits of a moving picture for a tenth of a
#: millisecond; of a still one a tenth of the bits, for half a millisecond.
MOVING_BFRAMES = 3
#: Bits per second of AAC and Opus per number of channels.
SOUND_BIT_RATE = {1: 128_000, 2: 192_000}
#: An AAC frame of 1024 samples holds at most 6144 bits per channel (ISO 14496-3). The same share
#: of the given samples, which end lower, keeps 44 dB of noise away and takes less time.
MAX_BITS_PER_SAMPLE = 6
#: Rates that are written; others go to the next higher one, or to 48 kHz. Lower AAC rates are left
#: out because their frames of 1024 samples are longer than a video frame: the last one, padded,
#: would end the sound visibly after the picture.
AAC_RATES = (44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
#: Seconds between key frames in fragmented output, where each fragment starts with one.
FRAGMENT_S = 1


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How a film is encoded.

    Attributes:
        crf: Constant quality, 0 (lossless) to 51; lower is better and larger.
        preset: Speed of libx264, "ultrafast" to "veryslow"; the default one is also tuned.
        is_still: Little beside a face moves: frames are told from the last one alone.
        threads: Encoder threads.
        fragmented: Write MP4 that plays while it grows; needed for pipes and sockets.
        low_latency: Give out each frame at once; for live pictures.
        deterministic: Same input, same bytes: one thread, nothing that tells date or version.
        metadata: Tags of the container, such as ``{"title": "..."}``.
    """

    crf: int = DEFAULT_CRF
    preset: str = DEFAULT_PRESET
    is_still: bool = False
    threads: int = 1
    fragmented: bool = False
    low_latency: bool = False
    deterministic: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


class FilmEncoder:
    """Encodes patches and sound into a file or a file object; used from one thread at a time.

    Args:
        target: Where to write: a reserved path, or a binary file object for MP4.
        fps: Frames per second.
        size: Height and width in pixels, both even.
        audio: Rate and channels of the sound, or ``None`` for a silent film.
        options: How to encode.
        alpha: Keep the reference frames' opacity; WebM alone can, others show them before black.
    """

    def __init__(
        self,
        target: Destination | BinaryIO,
        *,
        fps: float,
        size: tuple[int, int],
        audio: MuxAudio | None,
        options: EncodeOptions,
        alpha: bool = False,
    ) -> None:
        is_file = isinstance(target, Destination)
        format_name = target.format_name if isinstance(target, Destination) else "mp4"
        # "file:" keeps FFmpeg from reading a colon in the name as a protocol.
        place = f"file:{target.temporary}" if isinstance(target, Destination) else target
        self._container = av.open(
            place,
            "w",
            format=format_name,
            options=_container_options(format_name, fps, options, is_file=is_file),
        )
        self._container.metadata.update(options.metadata)
        webm = format_name == "webm"
        alpha = alpha and webm
        self._video = _add_video(self._container, fps, size, options, alpha=alpha, webm=webm)
        self._picture = EncoderPicture(size, alpha=alpha)
        self._sound = _SoundTrack(self._container, audio, webm=webm) if audio else None
        if self._sound and options.deterministic:
            self._sound.stream.codec_context.flags |= av.codec.context.Flags.bitexact
        self._frame = 0

    def write(self, patch: Patch) -> None:
        """Encode the next frame."""
        frame = self._picture.show(patch)
        frame.pts = self._frame
        self._frame += 1
        for packet in self._video.encode(frame):
            self._container.mux(packet)

    def write_audio(self, samples: SoundArray) -> None:
        """Encode the next sound, float32 ``(n, channels)``."""
        if self._sound is not None:
            self._sound.write(samples)

    def finish(self) -> None:
        """Encode what is left and complete the file."""
        if self._sound is not None:
            self._sound.finish()
        for packet in self._video.encode(None):
            self._container.mux(packet)
        self._container.close()

    def discard(self) -> None:
        """Give the encoder up; what was written so far is no use."""
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError, ValueError):
            return


class _SoundTrack:
    """Cuts sound into codec frames, changing the rate where the codec needs it."""

    def __init__(
        self, container: av.container.OutputContainer, audio: MuxAudio, *, webm: bool
    ) -> None:
        rates = OPUS_RATES if webm else AAC_RATES
        self._rate = next((rate for rate in rates if rate >= audio.sample_rate), rates[-1])
        self._layout = "mono" if audio.channels == 1 else "stereo"
        self._container = container
        codec, coder = ("libopus", {}) if webm else ("aac", {"aac_coder": "fast"})
        stream = container.add_stream(codec, rate=self._rate, options=coder, layout=self._layout)
        self.stream = cast(av.audio.stream.AudioStream, stream)
        rate = min(audio.sample_rate, self._rate)
        most = MAX_BITS_PER_SAMPLE * rate * audio.channels
        self.stream.bit_rate = min(SOUND_BIT_RATE[audio.channels], most)
        self._format = "flt" if webm else "fltp"
        self._resampler = Resampler(audio.sample_rate, self._rate, audio.channels)
        self._waiting = np.zeros((0, audio.channels), np.float32)
        self._position = 0

    def write(self, samples: SoundArray) -> None:
        self._encode(self._resampler.push(samples.reshape(-1, self._waiting.shape[1])))

    def finish(self) -> None:
        self._encode(self._resampler.flush())
        if len(self._waiting):
            self._encode_frame(self._waiting)
        for packet in self.stream.encode(None):
            self._container.mux(packet)

    def _encode(self, samples: SoundArray) -> None:
        size = self.stream.codec_context.frame_size or 1024
        joined = np.concatenate([self._waiting, samples])
        whole = len(joined) - len(joined) % size
        for start in range(0, whole, size):
            self._encode_frame(joined[start : start + size])
        self._waiting = joined[whole:]

    def _encode_frame(self, samples: SoundArray) -> None:
        array = samples.T if self._format == "fltp" else samples.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(array), self._format, self._layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position += len(samples)
        for packet in self.stream.encode(frame):
            self._container.mux(packet)


def _container_options(
    format_name: str, fps: float, options: EncodeOptions, *, is_file: bool
) -> dict[str, str]:
    result = {"fflags": "+bitexact"} if options.deterministic else {}
    if format_name not in {"mp4", "mov"}:
        return result
    if options.fragmented:
        # delay_moov: the header waits for the first packets, so that it can hold the edit list
        # that takes out the sound encoder's delay.
        result["movflags"] = "+empty_moov+delay_moov+default_base_moof"
        if options.low_latency:
            result["frag_duration"] = str(round(1e6 / fps))
        else:
            result["movflags"] += "+frag_keyframe"
    elif is_file:
        # Moving the header to the front reads the file again, which a file object cannot offer.
        result["movflags"] = "+faststart"
    return result


def _add_video(
    container: av.container.OutputContainer,
    fps: float,
    size: tuple[int, int],
    options: EncodeOptions,
    *,
    alpha: bool,
    webm: bool,
) -> av.video.stream.VideoStream:
    height, width = size
    if height < 2 or width < 2 or height % 2 or width % 2:
        raise OptionError(f"expected an even frame size, found {width} x {height}")
    rate = exact_rate(fps)
    codec = "libvpx-vp9" if webm else "libx264"
    stream = cast(av.video.stream.VideoStream, container.add_stream(codec, rate=rate))
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuva420p" if alpha else "yuv420p"
    stream.time_base = 1 / rate
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count = 1 if options.deterministic else options.threads
    context.colorspace = context.color_primaries = context.color_trc = BT601
    context.color_range = LIMITED_RANGE
    if options.fragmented:
        context.gop_size = max(1, round(FRAGMENT_S * rate))
    if options.deterministic:
        context.flags |= av.codec.context.Flags.bitexact
    context.options = _vp9_options(options) if webm else _x264_options(options)
    return stream


def _x264_options(options: EncodeOptions) -> dict[str, str]:
    result = {"preset": options.preset}
    if options.preset == DEFAULT_PRESET:
        bframes = 0 if options.is_still or options.low_latency else MOVING_BFRAMES
        quantizer = min(options.crf + QUANTIZER_OVER_CRF, 51)
        return result | {
            "qp": str(quantizer),
            "x264-params": f"{DEFAULT_TUNING}:bframes={bframes}",
        }
    if options.low_latency:
        result["tune"] = "zerolatency"
    return result | {"crf": str(options.crf)}


def _vp9_options(options: EncodeOptions) -> dict[str, str]:
    # libvpx counts quality to 63 where libx264 counts to 51.
    crf = round(options.crf * 63 / 51)
    return {"crf": str(crf), "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "0"}
