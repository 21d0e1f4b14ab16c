"""Lip-sync measured on the finished video: what the lips do against what the sound does."""

from pathlib import Path

import av
import numpy as np
import pytest

from api.service import Mouthpiece
from api.settings import Settings
from api.speech import synthesize
from runtime.audio import encode_wav, read_audio
from runtime.blending.measures import opening
from runtime.faces import FaceMesh, Roi
from runtime.models import BUNDLED_DIR
from runtime.types import SAMPLE_RATE, FaceBox
from tests.conftest import silence
from tests.program import SAMPLE, needs_models

pytestmark = [needs_models, pytest.mark.slow]
FPS = 25
SHIFT_S = 0.4
TEXT = "Wide open arms. My mama bought a bubble. Papa made a huge hot pot of soup."


@pytest.fixture(scope="module")
def speech():
    pytest.importorskip("hibari")
    spoken = read_audio(synthesize(TEXT))
    return np.concatenate([silence(1.0), spoken, silence(1.5)])


@pytest.fixture(scope="module")
def lips(speech, tmp_path_factory):
    """Inner-lip opening per frame, of the true run and of one with the sound 400 ms late."""
    folder = tmp_path_factory.mktemp("sync")
    late = np.concatenate([silence(SHIFT_S), speech])[: len(speech)]
    with Mouthpiece(Settings()) as mouthpiece:
        return tuple(
            read_lips(mouthpiece, sound, folder / f"{name}.mp4")
            for name, sound in (("true", speech), ("late", late))
        )


def read_lips(mouthpiece: Mouthpiece, sound: np.ndarray, output: Path) -> np.ndarray:
    mouthpiece.animate(SAMPLE, encode_wav(sound), output)
    mesh = FaceMesh(BUNDLED_DIR / "local" / "facemesh.xml")
    roi = Roi.of_box(FaceBox(178, 74, 272, 181))
    with av.open(str(output)) as container:
        frames = (
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for frame in container.decode(video=0)
        )
        return np.array([float(opening(mesh.settle(frame, roi)[1])) for frame in frames])


def loudness(sound: np.ndarray, frames: int) -> np.ndarray:
    """Level of each frame in decibels, floored where speech ends."""
    per_frame = SAMPLE_RATE // FPS
    padded = np.pad(sound, (0, frames * per_frame - len(sound)))
    power = np.square(padded.reshape(frames, per_frame)).mean(axis=1)
    return np.asarray(np.maximum(10 * np.log10(power + 1e-9), -45))


def test_the_lips_follow_this_sound_and_not_the_same_sound_400_ms_later(lips, speech):
    true, late = lips
    heard = loudness(speech, len(true))
    matched = np.corrcoef(true, heard)[0, 1]
    mismatched = np.corrcoef(late, heard)[0, 1]
    assert matched > 0.6
    assert matched > mismatched + 0.25


def test_the_lips_are_neither_early_nor_late_by_more_than_two_frames(lips, speech):
    true, _ = lips
    heard = loudness(speech, len(true))
    lags = range(-8, 9)
    scores = [np.corrcoef(np.roll(true, -lag)[8:-8], heard[8:-8])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(scores))]) <= 2


def test_the_mouth_is_still_and_closed_in_silence(lips):
    true, _ = lips
    before, after = true[2:20], true[-20:]
    for still in (before, after):
        assert np.abs(np.diff(still)).mean() < 0.005
    # The mesh reads a closed smile as slightly open, so closed means: as in the most closed words.
    spoken = true[25:-38]
    assert max(before.mean(), after.mean()) < np.quantile(spoken, 0.3)
    assert np.quantile(spoken, 0.95) > 1.3 * before.mean()
