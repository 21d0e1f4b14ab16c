"""Sounds of any length for the benchmarks, made of one recording."""

from pathlib import Path

import numpy as np

from runtime.audio import encode_wav, read_audio
from runtime.types import SAMPLE_RATE


def write_sound(speech: Path, seconds: float, folder: Path) -> Path:
    """Write a recording repeated or cut to a length, as WAV, and give its path."""
    waveform = read_audio(speech)
    path = folder / f"{seconds:g}s.wav"
    path.write_bytes(encode_wav(np.resize(waveform, round(seconds * SAMPLE_RATE))))
    return path
