"""Spectrograms of other voices for many sentences, in files that training picks up."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.audio import read_audio
from runtime.types import MelSpectrogram, Waveform
from training.corpus import Corpus
from training.voices import Speech, aligned_voice, hibari_speech, shifted_voice

logger = logging.getLogger(__name__)

#: Factors on the synthetic voice's pitch, from a man's to a child's.
PITCHES = (0.5, 0.6, 0.75, 1.0, 1.2)
#: Range of the factor on the recording's pitch and formants.
SHIFTS = (0.85, 1.75)


def add_voices(
    data: Corpus, sounds: Sequence[str], folder: Path, *, rounds: int = 2, seed: int = 0
) -> list[Path]:
    """Write ``spoken-N.npz`` and ``shifted-N.npz``: float16 spectrograms by sound.

    Sentences without word times get no synthetic voice; nor do any when hibari-tts is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    speech = _speech_or_none()
    written = []
    for number in range(rounds):
        rng = np.random.default_rng([seed, number])
        spoken: dict[str, MelSpectrogram] = {}
        shifted: dict[str, MelSpectrogram] = {}
        for sound in sounds:
            waveform = read_audio(data.sound_path(sound))
            shifted[sound] = shifted_voice(waveform, float(np.exp(rng.uniform(*np.log(SHIFTS)))))
            words = data.alignments.get(sound, [])
            if speech is not None and words:
                spoken[sound] = _say(waveform, words, speech, rng)
        for kind, mels in (("spoken", spoken), ("shifted", shifted)):
            if mels:
                written.append(_write(mels, folder / f"{kind}-{number}.npz"))
    return written


def read_voices(folder: Path) -> dict[str, list[MelSpectrogram]]:
    """Read every table of a folder: the other voices of each sound."""
    found: dict[str, list[MelSpectrogram]] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            for sound in stored.files:
                found.setdefault(sound, []).append(stored[sound].astype(np.float32))
    return found


def _say(
    waveform: Waveform,
    words: list[tuple[float, float, str]],
    speech: Speech,
    rng: np.random.Generator,
) -> MelSpectrogram:
    return aligned_voice(waveform, words, speech, pitch=float(rng.choice(PITCHES)), rng=rng)


def _write(mels: dict[str, MelSpectrogram], path: Path) -> Path:
    partial = path.with_name(f".partial-{path.name}")
    arrays = {sound: mel.astype(np.float16) for sound, mel in mels.items()}
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)
    return path


def _speech_or_none() -> Speech | None:
    try:
        return hibari_speech()
    except ImportError:
        logger.warning("hibari-tts is not installed: no synthetic voices")
        return None
