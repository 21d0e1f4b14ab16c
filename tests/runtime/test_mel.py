import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from runtime.mel import MelStream, mel_filters, melspectrogram


def speechlike(count, seed=0):
    rng = np.random.default_rng(seed)
    envelope = np.abs(np.sin(np.arange(count) / 2500.0))
    tone = np.sin(2 * np.pi * 180 / 16000 * np.arange(count))
    return (0.4 * envelope * (tone + 0.2 * rng.standard_normal(count))).astype(np.float32)


def librosa_mel(waveform):
    librosa = pytest.importorskip("librosa")
    emphasised = np.append(waveform[:1], waveform[1:] - 0.97 * waveform[:-1].astype(np.float64))
    spectrum = np.abs(librosa.stft(y=emphasised, n_fft=800, hop_length=200, win_length=800))
    basis = librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    level = 20 * np.log10(np.maximum(1e-5, basis @ spectrum)) - 20
    return np.clip(8 * ((level + 100) / 100) - 4, -4, 4)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 9000), max_size=12))
def test_any_cut_of_the_sound_gives_the_same_bits(cuts):
    waveform = speechlike(9000)
    stream = MelStream()
    parts = [stream.push(part) for part in np.split(waveform, sorted(cuts))]
    streamed = np.concatenate([*parts, stream.flush()], axis=1)
    np.testing.assert_array_equal(streamed, melspectrogram(waveform))


@pytest.mark.filterwarnings("ignore:n_fft=800 is too large")
@pytest.mark.parametrize("count", [200, 799, 800, 16000, 33333, 60001])
def test_the_mel_equals_librosa_within_float32_rounding(count):
    waveform = speechlike(count)
    np.testing.assert_allclose(melspectrogram(waveform), librosa_mel(waveform), atol=1e-5)


def test_the_filters_equal_librosa():
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    np.testing.assert_allclose(mel_filters().T, expected, atol=1e-6, rtol=0)


def test_silence_is_the_floor_everywhere():
    assert (melspectrogram(np.zeros(3200, np.float32)) == -4).all()


def test_an_empty_sound_has_one_silent_column():
    assert melspectrogram(np.zeros(0, np.float32)).tolist() == [[-4.0]] * 80


def test_a_column_comes_as_soon_as_its_samples_are_there():
    stream = MelStream()
    assert stream.push(np.zeros(399, np.float32)).shape == (80, 0)
    assert stream.push(np.zeros(1, np.float32)).shape == (80, 1)
    assert stream.push(np.zeros(400, np.float32)).shape == (80, 2)


def test_ten_seconds_of_speech_take_a_small_part_of_real_time():
    waveform = speechlike(160_000)
    melspectrogram(waveform)
    started = time.process_time()
    melspectrogram(waveform)
    assert time.process_time() - started < 0.5
