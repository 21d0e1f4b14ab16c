"""Text to speech through the extra ``tts``, and the avatar and voice of the demo."""

import re
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from api.settings import Settings
from runtime.audio import encode_wav
from runtime.errors import CancelledError, InputError, ModelNotFoundError

if TYPE_CHECKING:
    import hibari

DEFAULT_VOICE = "heart"
MAX_TEXT_CHARS = 20_000
#: Nobody says more than this in one breath: a long sentence without a comma has 200 characters.
LONGEST_BREATH = 300

_HINT = "pip install 'mouthpiece[tts]'"


def synthesize(
    text: str, voice: str = DEFAULT_VOICE, *, cancel: threading.Event | None = None
) -> bytes:
    """Speak a text; the same text always gives the same sound.

    Args:
        text: English text, at most 20,000 characters, with at least one letter or digit.
        voice: A voice of the speech engine; ``heart`` is inside its package, others must have
            been downloaded before, because nothing is fetched at run time.
        cancel: Set it to stop after the sentence being spoken.

    Returns:
        A 24 kHz mono 16-bit WAV file.

    Raises:
        InputError: The text is empty or too long, or the voice is not known.
        ModelNotFoundError: The extra ``tts`` or the voice is not installed.
        CancelledError: ``cancel`` was set.
    """
    if not re.search(r"\w", text):
        raise InputError("the text to say has no letter or digit in it")
    if len(text) > MAX_TEXT_CHARS:
        raise InputError(f"the text has {len(text)} characters; at most {MAX_TEXT_CHARS} are said")
    engine = _load_voice(voice)
    sentences = []
    for sentence in engine.stream(in_breaths(text), seed=0):
        if cancel is not None and cancel.is_set():
            raise CancelledError("cancelled while speaking the text")
        sentences.append(sentence)
    if not sentences:
        raise InputError("the text to say has nothing in it that can be spoken")
    return encode_wav(np.concatenate(sentences), sample_rate=engine.sample_rate)


def in_breaths(text: str) -> str:
    """Break what is too long for one breath into lines; other text stays as it is.

    The speech engine takes all between two punctuation marks at once, in a time that grows with
    its square: a minute for four thousand letters without a blank.
    """

    def broken(run: re.Match[str]) -> str:
        return "\n".join(textwrap.wrap(run.group(), LONGEST_BREATH, break_on_hyphens=False))

    return re.sub(rf"[^.!?;:,\n]{{{LONGEST_BREATH + 1},}}", broken, text)


def sample_avatar(settings: Settings) -> Path:
    """Return the sample portrait that set-up installed.

    Raises:
        ModelNotFoundError: Set-up has not been run.
    """
    for folder in settings.model_dirs:
        path = folder / "sample-avatar.png"
        if path.is_file():
            return path
    raise ModelNotFoundError(
        "the sample avatar is not installed; run `mouthpiece models fetch --required`"
    )


def _load_voice(voice: str) -> "hibari.Hibari":
    try:
        import hibari
        from hibari import voices
    except ImportError as error:
        raise ModelNotFoundError(f"no speech engine is installed: {_HINT}") from error
    if voice not in voices.VOICES:
        raise InputError(f"unknown voice {voice!r}; known: {', '.join(sorted(voices.VOICES))}")
    try:
        model = voices.voice_path(voice, download_missing=False)
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"voice {voice!r} is not installed: {error} is missing") from error
    return hibari.Hibari(voice=voice, model=model)
