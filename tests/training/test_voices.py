from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("librosa")
pytest.importorskip("scipy")

from runtime.audio import encode_wav
from runtime.errors import OptionError
from runtime.mel import melspectrogram
from training.augment import another_voice, warp_bands
from training.corpus import Corpus
from training.voice_tables import add_voices, read_voices
from training.voices import aligned_voice, command_speech, shifted_voice

SECONDS = 1.2


def _spoken(pitch: float = 1.0, speed: float = 1.0) -> np.ndarray:
    """A sweep between two pauses: every moment sounds different."""
    time = np.arange(int(16000 * SECONDS / speed)) / 16000 * speed
    loud = ((time > 0.2) & (time < 1.0)).astype(float)
    sweep = np.sin(2 * np.pi * pitch * (200 * time + 700 * time**2))
    noise = np.random.default_rng(0).normal(0, 1e-3, len(time))
    return (0.3 * loud * sweep + noise).astype(np.float32)


WORDS = [(0.0, 0.2, "sil"), (0.2, 1.0, "green"), (1.0, 1.2, "sil")]


def test_a_shifted_voice_keeps_its_time() -> None:
    rng = np.random.default_rng(0)
    loudness = np.repeat([0.0, 0.3, 0.0, 0.3, 0.0], 3200)
    sound = (loudness * rng.normal(0, 0.3, 16000)).astype(np.float32)
    own, shifted = melspectrogram(sound), shifted_voice(sound, 1.4)
    assert shifted.shape == own.shape
    middles = [int((part + 0.5) * 16) for part in range(5)]
    assert list(shifted.mean(axis=0)[middles] > -2) == [False, True, False, True, False]


def test_another_voice_speaks_when_the_recording_does() -> None:
    sound = _spoken()

    def slower(text: str, pitch: float, speed: float) -> np.ndarray:
        assert text == "green."
        return _spoken(pitch=1.1, speed=0.7)

    rng = np.random.default_rng(0)
    other = aligned_voice(sound, WORDS, slower, pitch=1.0, rng=rng)
    own = melspectrogram(sound)
    assert other.shape == own.shape
    assert np.corrcoef(own.argmax(axis=0)[20:76], other.argmax(axis=0)[20:76])[0, 1] > 0.9


def test_formants_move_by_their_factor() -> None:
    mel = np.zeros((80, 2), np.float32)
    mel[40] = 1
    assert warp_bands(mel, 0.8).argmax(axis=0)[0] == 50
    assert np.array_equal(warp_bands(mel, 1.0), mel)


def test_an_augmented_chunk_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    mel = rng.uniform(-4, 4, (80, 16)).astype(np.float32)
    made = np.stack([another_voice(mel, rng) for _ in range(50)])
    assert made.min() >= -4
    assert made.max() <= 4


def test_any_text_to_speech_program_is_a_voice(tmp_path: Path) -> None:
    said = tmp_path / "said.wav"
    said.write_bytes(encode_wav(_spoken()))
    speech = command_speech(f"sh -c 'cp {said} \"$1\"' {{text}} {{wav}}")
    assert len(speech("green.", 1.0, 1.0)) == len(_spoken())
    assert len(speech("green.", 1.25, 1.0)) == pytest.approx(len(_spoken()) / 1.25, abs=2)


@pytest.mark.parametrize("command", ["flite {text}", "flite -o {wav}"])
def test_a_voices_command_needs_places_for_sentence_and_file(command: str) -> None:
    with pytest.raises(OptionError, match=r"expected \{text\} and \{wav\}"):
        command_speech(command)


@pytest.mark.parametrize("command", ["false {text} {wav}", "no-such-program {text} {wav}"])
def test_a_voices_command_that_fails_is_named(command: str) -> None:
    with pytest.raises(OptionError, match=command.split()[0]):
        command_speech(command)("green.", 1.0, 1.0)


def test_a_speaker_is_added_to_tables_that_exist(tiny_corpus: Corpus, tmp_path: Path) -> None:
    entry = tiny_corpus.split("train")[0]
    add_voices(tiny_corpus, [entry.sound], tmp_path, rounds=1)
    before = (tmp_path / "shifted-0.npz").read_bytes()
    said = tmp_path / "said.wav"
    said.write_bytes(encode_wav(_spoken()))
    speakers = {"other": command_speech(f"sh -c 'cp {said} \"$1\"' {{text}} {{wav}}")}
    add_voices(tiny_corpus, [entry.sound], tmp_path, speakers=speakers, rounds=1)
    assert (tmp_path / "shifted-0.npz").read_bytes() == before
    assert len(read_voices(tmp_path)[entry.sound]) >= 2
