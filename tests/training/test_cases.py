from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("scipy")

from runtime.audio import encode_wav
from tests.training.talking_mesh import TalkingTracker, mesh_in_pixels, picture, write_film
from tests.training.tiny_corpus import DarknessReader, clip_of
from training.cases import (
    Case,
    clip_cases,
    loudness_db,
    portrait_cases,
    sentences_of,
    skin_tone,
    speech_cases,
)
from training.corpus import Corpus
from training.errors import RejectedError
from training.evaluation import Evaluator

GAPS = 6 + 6 * np.sin(np.linspace(-np.pi / 2, 12, 30))
MESHES = [mesh_in_pixels(gap) for gap in GAPS]


@pytest.fixture(scope="module")
def clips(tiny_corpus: Corpus) -> list[Case]:
    return clip_cases(tiny_corpus, tiny_corpus.entries)


def test_every_clip_has_a_wrong_sound_that_is_not_its_own(clips: list[Case]) -> None:
    assert all(not np.array_equal(case.mel, case.wrong_mel) for case in clips)


def test_portraits_say_held_out_sentences(tmp_path: Path, clips: list[Case]) -> None:
    (tmp_path / "beards").mkdir()
    cv2.imwrite(str(tmp_path / "beards" / "one.png"), picture(mesh_in_pixels()))
    cv2.imwrite(str(tmp_path / "two.png"), picture(mesh_in_pixels()))
    cases = portrait_cases(tmp_path, TalkingTracker(MESHES), sentences_of(clips))
    assert {case.groups for case in cases} == {("beards",), ("two",)}
    assert {case.goal.tobytes() for case in cases} == {case.goal.tobytes() for case in clips}
    assert all(case.face.shape == (128, 128, 3) and case.clip is None for case in cases)


def test_a_picture_without_a_face_is_named(tmp_path: Path, clips: list[Case]) -> None:
    class Blind(TalkingTracker):
        def settle(self, image):
            return None

    cv2.imwrite(str(tmp_path / "wall.png"), picture(mesh_in_pixels()))
    with pytest.raises(RejectedError, match=r"wall\.png: no face"):
        portrait_cases(tmp_path, Blind(MESHES), sentences_of(clips))


def test_a_film_is_compared_with_its_own_lips_on_every_face(
    tmp_path: Path, clips: list[Case]
) -> None:
    write_film(tmp_path / "other.mp4", MESHES)
    own, *others = speech_cases(
        [tmp_path / "other.mp4"], TalkingTracker(MESHES), clips[:2], sentences_of(clips)[0]
    )
    assert np.corrcoef(own.goal, GAPS)[0, 1] > 0.99
    assert own.clip is not None
    assert own.clip.frames.shape == (30, 128, 128, 3)
    assert len(others) == 2
    assert all(case.knows_lips and np.array_equal(case.goal, own.goal) for case in others)


def test_a_recording_is_compared_with_its_loudness(tmp_path: Path, clips: list[Case]) -> None:
    rng = np.random.default_rng(0)
    loudness = np.repeat(np.linspace(0.05, 0.5, 10), 640)
    waveform = (loudness * rng.normal(0, 0.3, 6400)).astype(np.float32)
    (tmp_path / "other.wav").write_bytes(encode_wav(waveform))
    (case,) = speech_cases(
        [tmp_path / "other.wav"], TalkingTracker(MESHES), clips[:1], sentences_of(clips)[0]
    )
    assert not case.knows_lips
    assert len(case.goal) == 10
    assert np.all(np.diff(case.goal) > 0)

    class Opening:
        name = "opening"

        def draw(self, case: Case, mel: np.ndarray) -> np.ndarray:
            order = np.argsort(clips[0].goal)[np.linspace(0, 13, 10).astype(int)]
            frames = clip_of(clips[0]).frames[order]
            return np.stack([cv2.resize(f[16:112, 16:112], (96, 96)) for f in frames])

    (figures,) = Evaluator([case], DarknessReader()).measure(Opening())
    assert figures.correlation > 0.8
    assert np.isnan(figures.slope)


def test_loudness_is_relative_to_the_loudest_and_has_a_floor() -> None:
    waveform = np.concatenate([np.full(640, 0.5), np.full(640, 0.05), np.zeros(640)])
    assert np.allclose(loudness_db(waveform.astype(np.float32), 3), [0, -20, -60], atol=1e-3)


def test_skin_is_sorted_by_its_typology_angle() -> None:
    tones = {
        "light skin": (170, 195, 230),
        "dark skin": (40, 60, 95),
        "medium skin": (90, 125, 170),
    }
    for tone, colour in tones.items():
        assert skin_tone(np.full((128, 128, 3), colour, np.uint8)) == tone
