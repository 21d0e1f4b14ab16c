"""Run the ``mouthpiece`` command inside the test process, as a shell would see it."""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from unittest.mock import patch

import av
import numpy as np
import pytest

from runtime.audio import encode_wav
from runtime.models import BUNDLED_DIR
from runtime.types import Waveform
from runtime.video import read_image

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


def write_drifting_face(path: Path, *, frames: int, rate: int = 25, codec: str = "mpeg4") -> Path:
    """Write a video of the sample face that drifts sideways, 256 pixels square."""
    portrait = read_image(SAMPLE)
    with av.open(str(path), "w") as container:
        stream = cast(av.video.stream.VideoStream, container.add_stream(codec, rate=rate))
        stream.width = stream.height = 256
        for shift in range(frames):
            view = np.ascontiguousarray(portrait[:256, 90 + shift : 346 + shift])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode())
    return path


def write_wav(path: Path, sound: Waveform) -> Path:
    """Write 16 kHz mono sound as a WAV file."""
    path.write_bytes(encode_wav(np.asarray(sound, np.float32)))
    return path
