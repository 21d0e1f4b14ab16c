"""The mel spectrogram that Wav2Lip was trained with, as a stream.

Settings: Wav2Lip, Prajwal et al. 2020, hparams of the public checkpoint. Frames are centred and
the sound is padded with zeros at both ends, as ``librosa.stft`` does since 0.9.
"""

import numpy as np
from numpy.typing import NDArray

from runtime.types import SAMPLE_RATE, MelSpectrogram, Waveform

#: Written into every generator's metadata; another spectrogram would need another name.
MEL_SPEC = "wav2lip-16k-80x16"
MEL_BANDS = 80
FFT_SIZE = 800
HOP = 200
LOWEST_HZ, HIGHEST_HZ = 55.0, 7600.0
PRE_EMPHASIS = 0.97
MIN_LEVEL_DB = -100.0
REFERENCE_LEVEL_DB = 20.0
MAX_VALUE = 4.0
#: Columns computed at once; bounds the memory of a long push.
BATCH = 256


def melspectrogram(waveform: Waveform) -> MelSpectrogram:
    """Compute the mel spectrogram of a whole sound.

    Args:
        waveform: float32 ``(n,)``, 16 kHz mono.

    Returns:
        float32 ``(80, 1 + n // 200)``, [-4, 4].
    """
    stream = MelStream()
    return np.concatenate([stream.push(waveform), stream.flush()], axis=1)


class MelStream:
    """Mel columns of a growing sound; any cut of the sound gives the same bits."""

    def __init__(self) -> None:
        self._last = 0.0
        self._samples = np.zeros(FFT_SIZE // 2)
        self._taken = 0
        self._given = 0

    def push(self, waveform: Waveform) -> MelSpectrogram:
        """Take the next samples and give the columns that are complete.

        Args:
            waveform: float32 ``(n,)``, 16 kHz mono.

        Returns:
            float32 ``(80, t)``, [-4, 4], t = 0 possible. Column j needs the samples before
            ``200 * j + 400``.
        """
        self._taken += len(waveform)
        return self._advance(self._pre_emphasise(waveform.astype(np.float64)))

    def flush(self) -> MelSpectrogram:
        """Give the remaining columns, ``1 + n // 200`` in all; call once, at the end."""
        expected = 1 + self._taken // HOP
        columns = self._advance(np.zeros(FFT_SIZE // 2))
        return columns[:, : columns.shape[1] + expected - self._given]

    def _pre_emphasise(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter ``y[n] = x[n] - 0.97 x[n - 1]``; the very first sample passes unchanged."""
        if not len(samples):
            return samples
        previous = np.concatenate([[self._last], samples[:-1]])
        self._last = float(samples[-1])
        return samples - PRE_EMPHASIS * previous

    def _advance(self, samples: NDArray[np.float64]) -> MelSpectrogram:
        joined = np.concatenate([self._samples, samples])
        count = max(0, (len(joined) - FFT_SIZE) // HOP + 1)
        self._samples = joined[count * HOP :]
        self._given += count
        columns = np.empty((MEL_BANDS, count), np.float32)
        if not count:
            return columns
        windows = np.lib.stride_tricks.sliding_window_view(joined, FFT_SIZE)[::HOP]
        for start in range(0, count, BATCH):
            stop = min(count, start + BATCH)
            columns[:, start:stop] = _mel_columns(windows[start:stop]).T
        return columns


def _mel_columns(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn ``(t, 800)`` samples into ``(t, 80)`` normalised mel levels."""
    spectrum = np.fft.rfft(windows * WINDOW)
    magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
    # One product per column: a product of all columns at once would round differently
    # depending on how many there are, and the cut of the stream would show.
    mel: NDArray[np.float64] = np.matmul(magnitude[:, None, :], FILTERS)[:, 0]
    floor = 10 ** (MIN_LEVEL_DB / 20)
    level_db = 20 * np.log10(np.maximum(floor, mel)) - REFERENCE_LEVEL_DB
    normalised = 2 * MAX_VALUE * (level_db - MIN_LEVEL_DB) / -MIN_LEVEL_DB - MAX_VALUE
    return np.asarray(np.clip(normalised, -MAX_VALUE, MAX_VALUE))


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above."""
    logarithmic = 15.0 + np.log(np.maximum(hz, 1e-9) / 1000.0) * 27.0 / np.log(6.4)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, logarithmic)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27))


def mel_filters() -> NDArray[np.float64]:
    """Give the triangular filters of equal area, ``(401, 80)``, as ``librosa.filters.mel``.

    Values are rounded to float32, as librosa's are.
    """
    bins_hz = np.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
    limits = _hz_to_mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    edges_hz = _mel_to_hz(np.linspace(limits[0], limits[1], MEL_BANDS + 2))
    ramps = edges_hz[:, None] - bins_hz[None, :]
    rising = -ramps[:-2] / np.diff(edges_hz)[:-1, None]
    falling = ramps[2:] / np.diff(edges_hz)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    areas = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return (triangles * areas[:, None]).astype(np.float32).T.astype(np.float64)


WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)
FILTERS = mel_filters()
