"""Run the ``mouthpiece`` command inside the test process, as a shell would see it."""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from runtime.audio import encode_wav
from runtime.models import BUNDLED_DIR
from runtime.types import Waveform

SAMPLE = BUNDLED_DIR / "local" / "sample-avatar.png"
needs_models = pytest.mark.skipif(
    not SAMPLE.is_file(), reason="set-up has not fetched the networks (`make setup`)"
)


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Ran:
    """Run ``mouthpiece ARGUMENTS`` and return what a shell would see."""
    from api.cli import main

    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        patch.object(sys, "argv", ["mouthpiece", *map(str, arguments)]),
    ):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def write_wav(path: Path, sound: Waveform) -> Path:
    """Write 16 kHz mono sound as a WAV file."""
    path.write_bytes(encode_wav(np.asarray(sound, np.float32)))
    return path
