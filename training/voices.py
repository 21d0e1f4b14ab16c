"""Other voices that say a data set's sentences at the same time as the recording.

Lips need sound that fits them to the frame, and a data set of one speaker has one voice. Two ways
to more: shift the recording's pitch and formants together, or let a synthetic voice say the
sentence and bend its time to the recording's (dynamic time warping of mel cepstra). Either gives a
mel spectrogram as long as the recording's.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from runtime.audio import read_audio
from runtime.chunks import COLUMNS_PER_S
from runtime.errors import OptionError
from runtime.mel import melspectrogram
from runtime.types import SAMPLE_RATE, MelSpectrogram, Waveform
from training.augment import Floats, sampled, warp_bands

#: Spoken words before this share of the loudness range begin the sentence, and after end it.
_BEGIN_SHARE, _END_SHARE = 0.45, 0.75
#: How much the other voice's formants may lie above the recording's: a man's, a woman's.
_TRACT_RATIOS = (0.95, 1.0, 1.12)
_CEPSTRA = 14
_SMOOTHING = 9
#: Steps of the warping path, columns of the recording and of the other voice, and their prices:
#: standing still on either side costs more.
_STEPS = np.array([[1, 1], [1, 2], [2, 1], [1, 0], [0, 1]])
_PRICES = np.array([1.0, 1.0, 1.0, 1.6, 1.6])


class Speech(Protocol):
    """A text-to-speech voice."""

    def __call__(self, text: str, pitch: float, speed: float, /) -> Waveform:
        """Say ``text`` at ``pitch`` times the voice's own, 16 kHz."""


def shifted_voice(waveform: Waveform, factor: float) -> MelSpectrogram:
    """Give the mel of a recording with pitch and formants times ``factor``, timing unchanged."""
    import librosa
    import soxr

    faster = soxr.resample(waveform, SAMPLE_RATE * factor, SAMPLE_RATE)
    rate = len(faster) / len(waveform)
    stretched = librosa.effects.time_stretch(faster, rate=rate, n_fft=1024)
    padded = np.zeros_like(waveform)
    count = min(len(padded), len(stretched))
    padded[:count] = stretched[:count]
    return melspectrogram(padded)


def aligned_voice(
    waveform: Waveform,
    words: list[tuple[float, float, str]],
    speech: Speech,
    *,
    pitch: float,
    rng: np.random.Generator,
) -> MelSpectrogram:
    """Give the mel of another voice saying ``words`` when the recording says them.

    Args:
        waveform: The recording, 16 kHz.
        words: Begin and end in seconds and the word; pauses are called ``sil`` or ``sp``.
        speech: The other voice.
        pitch: Factor on its pitch.
        rng: For its speed, loudness and the noise in pauses.

    Returns:
        float32 ``(80, 1 + n // 200)``, as long as the recording's own.
    """
    own = melspectrogram(waveform)
    spoken = [word for word in words if word[2] not in {"sil", "sp"}]
    first = int(spoken[0][0] * COLUMNS_PER_S)
    last = min(int(spoken[-1][1] * COLUMNS_PER_S) + 2, own.shape[1])
    text = " ".join(word.upper() if len(word) == 1 else word for _, _, word in spoken) + "."
    said = speech(text, pitch, float(rng.uniform(0.85, 1.1)))
    level = np.abs(waveform).max() / max(float(np.abs(said).max()), 1e-6) * rng.uniform(0.6, 1.2)
    other = _trimmed(melspectrogram((said * level).astype(np.float32)))
    path = _warp(own[:, first:last], other)
    result = np.full_like(own, -4.0) + rng.uniform(0, 0.6) + rng.normal(0, 0.1, own.shape)
    result[:, first:last] = sampled(other, path)
    return np.clip(result, -4, 4).astype(np.float32)


def hibari_speech(seed: int = 0) -> Speech:
    """Open the bundled voice of hibari-tts, whose pitch can be moved without its formants.

    Raises:
        ImportError: hibari-tts (extra ``tts``) is not installed.
    """
    import hibari
    import soxr
    from hibari import dsp

    voice = hibari.Hibari(threads=1)

    def say(text: str, pitch: float, speed: float) -> Waveform:
        ids = voice.ids(voice.phonemize(text)[0])
        feed = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
        parts = [output[0] for output in voice.sess.run(None, feed)]
        parts[5] = parts[5] * pitch  # the sixth output is the fundamental, in Hz
        sound = dsp.synth(*parts, np.random.default_rng(seed))
        return np.asarray(soxr.resample(sound, hibari.SAMPLE_RATE, SAMPLE_RATE), np.float32)

    return say


def command_speech(template: str) -> Speech:
    """Make a voice of any text-to-speech program.

    Its pitch moves with its formants, by playing it faster or slower.

    Args:
        template: The command; ``{text}`` and ``{wav}`` stand for the sentence and the file to
            write, as in ``flite -voice rms -t {text} -o {wav}``.

    Raises:
        OptionError: The command has no place for the sentence or the file. Saying a sentence raises
            it when the command cannot be run or fails.
    """
    words = shlex.split(template)
    if not all(any(place in word for word in words) for place in ("{text}", "{wav}")):
        raise OptionError(f"speaker {template!r}: expected {{text}} and {{wav}} in the command")

    def say(text: str, pitch: float, _speed: float, /) -> Waveform:
        import soxr

        with TemporaryDirectory() as folder:
            wav = Path(folder) / "said.wav"
            command = [word.replace("{text}", text).replace("{wav}", str(wav)) for word in words]
            try:
                subprocess.run(command, check=True, capture_output=True)  # noqa: S603
            except (OSError, subprocess.CalledProcessError) as error:
                raise OptionError(f"speaker {template!r} failed: {error}") from error
            return np.asarray(soxr.resample(read_audio(wav), pitch, 1.0), np.float32)

    return say


def _trimmed(mel: MelSpectrogram) -> MelSpectrogram:
    loudness = mel.mean(axis=0)
    high, room = loudness.max(), loudness.max() - loudness.min()
    begin = int(np.flatnonzero(loudness > high - _BEGIN_SHARE * room)[0])
    end = int(np.flatnonzero(loudness > high - _END_SHARE * room)[-1])
    return mel[:, max(begin - 2, 0) : end + 2]


def _warp(own: MelSpectrogram, other: MelSpectrogram) -> Floats:
    """Give for every column of ``own`` the place in ``other`` that says the same."""
    paths = (_path(own, warp_bands(other, ratio)) for ratio in _TRACT_RATIOS)
    _, path = min(paths, key=lambda priced: priced[0])
    places = np.interp(np.arange(own.shape[1]), path[:, 0], path[:, 1])
    padded = np.pad(places, _SMOOTHING // 2, mode="edge")
    smooth = np.convolve(padded, np.full(_SMOOTHING, 1 / _SMOOTHING), "valid")
    return smooth.astype(np.float32)


def _path(own: MelSpectrogram, other: MelSpectrogram) -> tuple[float, Floats]:
    """Give the least price of bending ``other`` to ``own``, and the path, first column first."""
    import librosa

    prices, path = librosa.sequence.dtw(
        _cepstra(own), _cepstra(other), metric="cosine", step_sizes_sigma=_STEPS,
        weights_mul=_PRICES, weights_add=np.zeros(len(_STEPS)),
    )  # fmt: skip
    return float(prices[-1, -1]), path[::-1]


def _cepstra(mel: MelSpectrogram) -> Floats:
    from scipy.fft import dct

    cepstra = dct(mel, axis=0, norm="ortho")[:_CEPSTRA]
    cepstra[0] *= 0.5
    spread = cepstra.std(axis=1, keepdims=True) + 1e-3
    normal = (cepstra - cepstra.mean(axis=1, keepdims=True)) / spread
    return np.concatenate([normal, np.gradient(normal, axis=1) * 1.5]).astype(np.float32)
