"""A folder of numbered PNG pictures with opacity, and the sound beside them."""

import wave
from pathlib import Path

import cv2
import numpy as np

from runtime.errors import OutputError
from runtime.planes import render
from runtime.resampling import MuxAudio, SoundArray
from runtime.types import Patch

DEFAULT_PATTERN = "%05d.png"
SOUND_NAME = "sound.wav"
#: zlib level: 1 is three times as fast as the default and 10 % larger on photographs.
COMPRESSION = 1


class ImageSequence:
    """Writes patches as numbered PNG files, from 0, and sound as a 16-bit WAV file.

    Args:
        folder: An existing folder.
        pattern: File name with one ``%d`` for the frame number.
        audio: Rate and channels of the sound, or ``None``.
    """

    def __init__(self, folder: Path, *, pattern: str, audio: MuxAudio | None) -> None:
        self._folder = folder
        self._pattern = pattern
        self._frame = 0
        self._sound: wave.Wave_write | None = None
        if audio is not None:
            # Closed by finish or discard.
            self._sound = wave.open(str(folder / SOUND_NAME), "wb")  # noqa: SIM115
            self._sound.setnchannels(audio.channels)
            self._sound.setsampwidth(2)
            self._sound.setframerate(audio.sample_rate)

    def write(self, patch: Patch) -> None:
        """Write the next picture, with opacity when its reference frame has it."""
        picture, alpha = render(patch), patch.reference.alpha
        if alpha is not None:
            picture = np.dstack([picture, alpha])
        done, content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])
        if not done:
            raise OutputError(f"cannot encode a {picture.shape} picture as PNG")
        (self._folder / (self._pattern % self._frame)).write_bytes(content.tobytes())
        self._frame += 1

    def write_audio(self, samples: SoundArray) -> None:
        """Write the next sound, float32 ``(n, channels)``."""
        if self._sound is not None:
            integers = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
            self._sound.writeframes(integers.tobytes())

    def finish(self) -> None:
        """Complete the sound file."""
        if self._sound is not None:
            self._sound.close()

    def discard(self) -> None:
        """Close what is open; the folder goes."""
        try:
            self.finish()
        except OSError:
            return
