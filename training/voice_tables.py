"""Spectrograms of other voices for many sentences, in files that training picks up."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runtime.audio import read_audio
from runtime.types import MelSpectrogram
from training.corpus import Corpus
from training.voices import Speech, aligned_voice, hibari_speech, shifted_voice

logger = logging.getLogger(__name__)

#: Factors on the pitch of hibari's voice, from a man's to a child's, and of others, which move
#: their formants as well.
PITCHES = (0.5, 0.6, 0.75, 1.0, 1.2)
OTHER_PITCHES = (0.88, 0.94, 1.0, 1.06, 1.12)
#: Range of the factor on the recording's pitch and formants.
SHIFTS = (0.85, 1.75)


def add_voices(
    data: Corpus,
    sounds: Sequence[str],
    folder: Path,
    *,
    speakers: Mapping[str, Speech] | None = None,
    rounds: int = 2,
    seed: int = 0,
) -> list[Path]:
    """Write ``shifted-N.npz``, ``spoken-N.npz`` and ``SPEAKER-N.npz``: float16 spectrograms.

    Sentences without word times get no synthetic voice; ``spoken``, by hibari-tts, is left out when
    that is not installed. Tables that exist already are kept, so that speakers can be added later.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Speech | None] = {"shifted": None, **(speakers or {})}
    hibari = _speech_or_none()
    if hibari is not None:
        kinds["spoken"] = hibari
    written = []
    for number in range(rounds):
        for place, (kind, speech) in enumerate(kinds.items()):
            path = folder / f"{kind}-{number}.npz"
            if path.exists():
                continue
            rng = np.random.default_rng([seed, number, place])
            pitches = PITCHES if speech is hibari else OTHER_PITCHES
            mels = (
                _said(data, sounds, speech, pitches, rng) if speech else _shifted(data, sounds, rng)
            )
            if mels:
                written.append(_write(mels, path))
    return written


def read_voices(folder: Path) -> dict[str, list[MelSpectrogram]]:
    """Read every table of a folder: the other voices of each sound."""
    found: dict[str, list[MelSpectrogram]] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            for sound in stored.files:
                found.setdefault(sound, []).append(stored[sound].astype(np.float32))
    return found


def _shifted(
    data: Corpus, sounds: Sequence[str], rng: np.random.Generator
) -> dict[str, MelSpectrogram]:
    low, high = np.log(SHIFTS)
    return {
        sound: shifted_voice(
            read_audio(data.sound_path(sound)), float(np.exp(rng.uniform(low, high)))
        )
        for sound in sounds
    }


def _said(
    data: Corpus,
    sounds: Sequence[str],
    speech: Speech,
    pitches: Sequence[float],
    rng: np.random.Generator,
) -> dict[str, MelSpectrogram]:
    timed = [(sound, words) for sound in sounds if (words := data.alignments.get(sound))]
    return {
        sound: aligned_voice(
            read_audio(data.sound_path(sound)),
            words,
            speech,
            pitch=float(rng.choice(pitches)),
            rng=rng,
        )
        for sound, words in timed
    }


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
