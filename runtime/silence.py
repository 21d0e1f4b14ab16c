"""Tell speech from silence, frame by frame, so that a silent mouth rests.

Levels are judged on 10 ms blocks. A block is speech when it is louder than the noise floor by
``FLOOR_RATIO`` and louder than the threshold; it stays speech until it falls to half of that
(hysteresis). The threshold is meant for speech of ordinary loudness and goes down with the
loudest sound of late, so a quiet recording is not silence as a whole. Speech is then stretched:
the mouth starts to open ``LEAD_S`` before it and stays ``HOLD_S`` after it.
"""

import math
from collections import deque
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from runtime.types import SAMPLE_RATE, Waveform

BLOCK_S = 0.01
#: A soft onset crosses the threshold late: the mouth is wholly awake this long before it does.
EARLY_S = 0.04
#: How far the gate looks ahead; the opening ramp fills what ``EARLY_S`` leaves of it.
LEAD_S = 0.12
#: Pauses shorter than this belong to the words around them (stop gaps last up to 0.15 s).
HOLD_S = 0.2
#: Length of the closing ramp: three frames of 25 a second.
FADE_S = 0.12
FLOOR_RATIO = 3.0
#: RMS of ordinary speech, to which the threshold refers.
ORDINARY_LEVEL = 0.1
LEAST_SHARE = 0.03
#: The floor creeps up by this factor a second while sound stays loud, so that a hum gets known.
FLOOR_RISE = 1.6
#: The memory of the loudest sound fades by this factor a second.
LOUDEST_FADE = 0.85
_BLOCK = round(BLOCK_S * SAMPLE_RATE)
_EXACT = 1e-9


class SilenceGate:
    """Turns sound into one weight of speech per video frame.

    Any cut of the sound into blocks gives the same weights.
    """

    def __init__(self, fps: float, *, threshold: float = 0.01) -> None:
        """Start at the first frame.

        Args:
            fps: Video frames per second.
            threshold: RMS in [0, 1] below which ordinarily loud recordings are silent.
        """
        self._fps = fps
        self._levels = _LevelJudge(threshold)
        self._samples: Waveform = np.zeros(0, np.float32)
        self._blocks = 0
        self._frames = 0
        self._speech: deque[int] = deque()
        self._last_speech = -np.inf

    def push(self, waveform: Waveform) -> list[float]:
        """Take sound and give the weights that are certain by now.

        Args:
            waveform: float32 ``(n,)``, 16 000 Hz, any length.

        Returns:
            Weights of the next frames: 0 is silence, 1 is speech, between them a ramp.
        """
        self._samples = np.concatenate([self._samples, waveform])
        whole = len(self._samples) // _BLOCK
        self._hear(self._samples[: whole * _BLOCK].reshape(whole, _BLOCK))
        self._samples = self._samples[whole * _BLOCK :]
        heard_s = self._blocks * BLOCK_S
        weights = []
        while self._middle_s() + LEAD_S <= heard_s + _EXACT:
            weights.append(self._next_weight())
        return weights

    def flush(self, frame_count: int) -> list[float]:
        """Give the weights still owed when the sound has ended.

        Args:
            frame_count: Number of frames of the whole video.
        """
        if len(self._samples):
            self._hear(self._samples[None])
            self._samples = self._samples[:0]
        return [self._next_weight() for _ in range(self._frames, frame_count)]

    def _middle_s(self) -> float:
        return (self._frames + 0.5) / self._fps

    def _hear(self, blocks: NDArray[np.float32]) -> None:
        """Judge blocks ``(n, samples)``, one after another."""
        for power in np.mean(np.square(blocks, dtype=np.float64), 1).tolist():
            if self._levels.is_speech(power):
                self._speech.append(self._blocks)
            self._blocks += 1

    def _next_weight(self) -> float:
        now = self._middle_s()
        self._frames += 1
        for block in list(takewhile(lambda b: b * BLOCK_S <= now, self._speech)):
            self._last_speech = (block + 1) * BLOCK_S
            self._speech.popleft()
        since = now - self._last_speech - HOLD_S
        closing = 1 - since / FADE_S
        until = self._speech[0] * BLOCK_S - now if self._speech else np.inf
        opening = (LEAD_S - until) / (LEAD_S - EARLY_S)
        return float(round(min(max(closing, opening, 0.0), 1.0), 6))


class _LevelJudge:
    """Follows noise floor and loudness, and decides block by block."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._floor = threshold / FLOOR_RATIO
        self._loudest = 0.0
        self._recent: deque[float] = deque(maxlen=3)
        self._speaking = False

    def is_speech(self, power: float) -> bool:
        """Judge one block by its mean square."""
        self._recent.append(power)
        level = math.sqrt(sum(self._recent) / len(self._recent))
        self._floor = min(self._floor * FLOOR_RISE**BLOCK_S, max(level, 1e-5))
        self._loudest = max(self._loudest * LOUDEST_FADE**BLOCK_S, level)
        share = min(max(self._loudest / ORDINARY_LEVEL, LEAST_SHARE), 1.0)
        wanted = max(self._threshold * share, self._floor * FLOOR_RATIO)
        self._speaking = level > (wanted / 2 if self._speaking else wanted)
        return self._speaking
