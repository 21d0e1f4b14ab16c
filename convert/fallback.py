"""Faces and speech to calibrate with when the user gives none: few, but real ones if there are."""

import dataclasses

import numpy as np

from convert.calibration import Sources
from runtime.models import ModelStore
from runtime.types import SAMPLE_RATE, Waveform

_SENTENCES = (
    "The quick brown fox jumps over the lazy dog while five wizards bake more apple pie. "
    "We measure how far the small network is from the large one, on vowels and on pauses. "
    "Who would have thought that a mouth could show so much of what we say?"
)
_SYNTHETIC_S = 12
#: Frequencies of the first two formants of five vowels, Hz (Peterson and Barney 1952, men).
_VOWELS = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840))


def sample_sources(sources: Sources, models: ModelStore) -> tuple[Sources, list[str]]:
    """Fill in what the user did not give.

    Args:
        sources: What the user gave.
        models: Whose folders hold the sample avatar.

    Returns:
        Sources with at least one picture where the sample avatar is installed, and warnings.
    """
    notes = []
    if not sources.media and sources.avatars is None:
        pictures = [folder / "sample-avatar.png" for folder in models.dirs]
        found = tuple(path for path in pictures if path.is_file())[:1]
        sources = dataclasses.replace(sources, media=found)
        notes.append(
            "no faces given: calibrating on the sample avatar alone; give --media for better INT8"
        )
    if not sources.speech:
        waveform, note = _spoken_sample()
        sources = dataclasses.replace(sources, waveforms=(waveform,))
        notes.append(note)
    return sources, notes


def _spoken_sample() -> tuple[Waveform, str]:
    """Give speech to calibrate with, 16 kHz, and a warning that says what it is."""
    try:
        return _spoken(), "no speech given: calibrating on synthetic speech; give --speech"
    except (ImportError, FileNotFoundError):
        return _vowels(), "no speech given and no voice installed: calibrating on drawn vowels"


def _spoken() -> Waveform:
    import hibari
    import soxr
    from hibari import voices

    model = voices.voice_path("heart", download_missing=False)
    waveform = hibari.Hibari(voice="heart", model=model)(_SENTENCES)
    return np.asarray(soxr.resample(waveform, hibari.SAMPLE_RATE, SAMPLE_RATE), np.float32)


def _vowels() -> Waveform:
    """Draw a voice: a buzz at 120 Hz through two moving formants, in syllables with pauses."""
    rng = np.random.default_rng(0)
    time = np.arange(_SYNTHETIC_S * SAMPLE_RATE) / SAMPLE_RATE
    vowels = np.array(_VOWELS)[rng.integers(len(_VOWELS), size=_SYNTHETIC_S * 5)]
    formants = np.repeat(vowels, SAMPLE_RATE // 5, axis=0)
    loudness = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1) * (np.sin(np.pi * time / 3) > -0.5)
    voice = np.zeros_like(time)
    for harmonic in range(1, 40):
        pitch = 120.0 * harmonic
        gain = sum(1 / (1 + ((pitch - formants[:, i]) / 90) ** 2) for i in range(2))
        voice += gain * np.sin(2 * np.pi * pitch * time) / harmonic**0.5
    noise = rng.normal(0, 0.002, len(time))
    return np.asarray(0.2 * voice * loudness / np.abs(voice).max() + noise, np.float32)
