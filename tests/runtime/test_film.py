import pytest

from runtime.animator import Animator, StreamOptions
from runtime.audio import encode_wav
from runtime.blending import BlendOptions
from runtime.film import Film, write_film
from runtime.generator import Generator
from tests.conftest import ToyAvatar, tone


@pytest.mark.parametrize("fps", [10.0, 24.0, 25.0, 29.97, 30.0])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.2345])
def test_picture_and_sound_never_drift_apart(toy_model_file, plan, tmp_path, fps, seconds):
    film = write_film(
        Animator(Generator(toy_model_file, plan)),
        ToyAvatar(),
        encode_wav(tone(seconds)),
        tmp_path / "o.mp4",
        StreamOptions(fps=fps, blend=BlendOptions(method="box")),
    )
    assert film.av_offset_ms == 0
    assert 0 <= film.duration_s - film.sound_s < 1 / fps + 1e-6


def test_drift_is_told_in_whole_frames():
    assert Film(frames=26, fps=25.0, sound_s=1.0).av_offset_ms == pytest.approx(40)
    assert Film(frames=24, fps=25.0, sound_s=1.0).av_offset_ms == pytest.approx(-40)


def streamed_wav(seconds):
    """A WAV whose header was written before its length was known."""
    whole = bytearray(encode_wav(tone(seconds)))
    whole[4:8] = whole[whole.index(b"data") + 4 : whole.index(b"data") + 8] = b"\xff" * 4
    return bytes(whole)


@pytest.mark.parametrize("sound", [encode_wav(tone(1.0)), streamed_wav(1.0)])
def test_progress_only_grows_and_ends_at_one(toy_model_file, plan, tmp_path, sound):
    told: list[float] = []
    write_film(
        Animator(Generator(toy_model_file, plan)),
        ToyAvatar(),
        sound,
        tmp_path / "o.mp4",
        StreamOptions(blend=BlendOptions(method="box")),
        progress=told.append,
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
