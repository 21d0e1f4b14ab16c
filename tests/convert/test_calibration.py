"""Laws of reading calibration material from files."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.calibration import Sources, collect_material, framings, mel_chunks
from convert.fallback import sample_sources
from runtime.audio import encode_wav
from runtime.errors import CalibrationError
from runtime.models import ModelStore
from runtime.types import Detection, FaceBox

SHARED = Path(
    os.environ.get("MOUTHPIECE_SHARED", Path(__file__).resolve().parents[2].parent / "shared")
)
BOX = FaceBox(10, 10, 90, 90)


class EveryPictureIsAFace:
    def track(self, frames):
        for _ in frames:
            yield [Detection(BOX, 1.0, np.zeros((5, 2), np.float32))]


class NoPictureIsAFace:
    def track(self, frames):
        for _ in frames:
            yield []


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    frame = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "face.png"), frame)
    return tmp_path / "face.png"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    (tmp_path / "sound").mkdir()
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    (tmp_path / "sound" / "noise.wav").write_bytes(encode_wav(wave))
    return tmp_path / "sound"


def test_folders_and_files_are_read_and_other_files_passed_over(picture, sound):
    (sound / "notes.txt").write_text("no sound")
    sources = Sources(media=(picture,), speech=(sound,))

    material = collect_material(sources, EveryPictureIsAFace(), mel_offset=-5)

    assert [len(crops) for crops in material.people] == [6]
    assert [len(chunks) for chunks in material.speech] == [25]


def test_without_a_face_there_is_nothing_to_calibrate_with(picture, sound):
    with pytest.raises(CalibrationError, match="no face in the calibration media"):
        collect_material(Sources((picture,), (sound,)), NoPictureIsAFace(), mel_offset=0)


def test_without_speech_there_is_nothing_to_calibrate_with(picture):
    with pytest.raises(CalibrationError, match="no speech in the calibration media"):
        collect_material(Sources((picture,)), EveryPictureIsAFace(), mel_offset=0)


def test_one_second_of_sound_gives_25_chunks():
    assert len(mel_chunks(np.zeros(16_000, np.float32), mel_offset=-5)) == 25


def test_the_first_framing_is_the_face_as_it_is_and_the_others_differ():
    frame = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)

    crops = list(framings(frame, FaceBox(0, 0, 96, 96), count=4, seed=0))

    np.testing.assert_array_equal(crops[0], frame[:96, :96])
    assert len({crop.tobytes() for crop in crops}) == 4
    assert {crop.shape for crop in crops} == {(96, 96, 3)}


def test_without_anything_given_the_sample_avatar_and_speech_are_used_with_a_warning(tmp_path):
    (tmp_path / "sample-avatar.png").write_bytes(b"")

    sources, warnings = sample_sources(Sources(), ModelStore([tmp_path]))

    assert sources.media == (tmp_path / "sample-avatar.png",)
    assert len(sources.waveforms[0]) > 5 * 16_000
    assert 0.01 < np.abs(sources.waveforms[0]).max() <= 1.0
    assert "no faces given" in warnings[0]
    assert "no speech given" in warnings[1]


def test_drawn_vowels_replace_a_missing_voice(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hibari", None)

    sources, warnings = sample_sources(Sources(), ModelStore([tmp_path]))

    assert len(sources.waveforms[0]) == 12 * 16_000
    assert "no voice installed" in warnings[1]


def test_what_is_given_is_not_replaced(picture, sound):
    given = Sources((picture,), (sound,))

    assert sample_sources(given, ModelStore([])) == (given, [])


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_clip_gives_faces_with_their_own_sound():
    from runtime.faces import BlazeFaceMesh

    store = ModelStore()
    clip = SHARED / "media" / "clips" / "grid_s1_bbaf3s.mpg"
    if not clip.is_file() or not store.precisions("facemesh"):
        pytest.skip("no real clip or no face networks here")
    detector = BlazeFaceMesh(store.find("blazeface").path, store.find("facemesh").path)

    material = collect_material(Sources(media=(clip,)), detector, mel_offset=-5)

    assert len(material.people[0]) >= 40
    assert len(material.own[0]) >= 40
