"""The laws of the silence gate."""

import numpy as np
import pytest

from runtime.silence import SilenceGate

RATE = 16_000


def tone(seconds, level):
    t = np.arange(int(seconds * RATE)) / RATE
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t - np.pi / 2)
    return (level * np.sqrt(2) * syllables * np.sin(2 * np.pi * 150 * t)).astype(np.float32)


def noise(seconds, level, seed=0):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(int(seconds * RATE))).astype(np.float32)


def weights_of(sound, fps=25.0, threshold=0.01, cuts=()):
    gate = SilenceGate(fps, threshold=threshold)
    weights = [w for part in np.split(sound, cuts) for w in gate.push(part)]
    count = int(np.ceil(len(sound) / RATE * fps))
    return np.array(weights + gate.flush(count))


@pytest.mark.parametrize("fps", [10.0, 25.0, 29.97])
@pytest.mark.parametrize("cuts", [(7,), (160, 161), range(1000, 60000, 777)])
def test_any_cut_of_the_sound_gives_the_same_weights(cuts, fps):
    sound = np.concatenate([noise(1, 0.001), tone(1.5, 0.1), noise(1.3, 0.001)])
    whole = weights_of(sound, fps)
    assert np.array_equal(whole, weights_of(sound, fps, cuts=list(cuts)))


def test_there_is_one_weight_per_frame():
    assert len(weights_of(tone(1.01, 0.1))) == 26


def test_digital_silence_and_room_noise_are_silent():
    assert not weights_of(np.zeros(RATE, np.float32)).any()
    assert not weights_of(noise(3, 0.003)).any()


def test_speech_is_wholly_speech():
    sound = np.concatenate([noise(1, 0.001), tone(2, 0.1), noise(1, 0.001)])
    assert weights_of(sound)[25:75].min() == 1.0


def test_a_soft_onset_finds_the_mouth_awake():
    ramp = np.linspace(0, 1, RATE // 10, dtype=np.float32)
    word = tone(0.6, 0.1)
    word[: len(ramp)] *= ramp
    weights = weights_of(np.concatenate([np.zeros(RATE, np.float32), word]))
    assert weights[25] >= 0.99
    assert weights[24] >= 0.5


def test_short_pauses_inside_words_keep_the_mouth_awake():
    sound = np.concatenate([tone(0.5, 0.1), np.zeros(RATE * 15 // 100, np.float32), tone(0.5, 0.1)])
    assert weights_of(sound).min() == 1.0


def test_the_mouth_comes_to_rest_after_speech_in_three_steps_or_more():
    sound = np.concatenate([tone(1, 0.1), np.zeros(RATE, np.float32)])
    weights = weights_of(sound)
    falling = weights[np.flatnonzero(weights < 1)[0] :]
    assert np.all(np.diff(falling) <= 0)
    assert -np.diff(np.append(1.0, falling)).min() < 0.5
    assert falling[-10:].max() == 0.0


def test_a_quiet_recording_is_not_silence_as_a_whole():
    sound = np.concatenate([noise(0.5, 0.0001), tone(3, 0.004), noise(1, 0.0001)])
    weights = weights_of(sound)
    assert weights[15:85].mean() > 0.9
    assert weights[-10:].max() == 0.0


def test_a_lasting_hum_becomes_silence():
    assert weights_of(noise(15, 0.02))[-25:].max() == 0.0


def test_a_higher_threshold_silences_more():
    sound = np.concatenate([tone(1, 0.1), tone(2, 0.02)])
    assert weights_of(sound, threshold=0.1).sum() < weights_of(sound, threshold=0.01).sum()
