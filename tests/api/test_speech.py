import re
import threading

import pytest

from api.speech import LONGEST_BREATH, MAX_TEXT_CHARS, in_breaths, synthesize
from runtime.audio import probe_audio
from runtime.errors import CancelledError, InputError, ModelNotFoundError

pytest.importorskip("hibari")


def test_a_text_becomes_sound_of_its_length():
    short, long = (probe_audio(synthesize(text)) for text in ("Hello.", "Hello. " * 5))
    assert short.sample_rate == 24_000
    assert long.duration_s > 3 * short.duration_s


@pytest.mark.parametrize("text", ["", "   ", "?!", "a" * (MAX_TEXT_CHARS + 1)])
def test_a_text_that_cannot_be_said_is_refused(text):
    with pytest.raises(InputError):
        synthesize(text)


def test_an_unknown_voice_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="heart"):
        synthesize("Hello.", voice="nobody")


def test_a_voice_that_is_not_installed_is_never_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="emma"):
        synthesize("Hello.", voice="emma")
    assert list(tmp_path.iterdir()) == []


def test_the_same_text_gives_the_same_sound_and_cancelling_stops_between_sentences():
    assert synthesize("Hello.") == synthesize("Hello.")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        synthesize("One. Two. Three.", cancel=cancel)


@pytest.mark.parametrize("text", ["Good morning! How are you, all of you?", "one\ntwo", "w" * 300])
def test_what_can_be_said_in_one_breath_stays_as_it_is(text):
    assert in_breaths(text) == text


@pytest.mark.parametrize("text", ["letters" * 700, "many words " * 400, "so: " + "x" * 2000 + "."])
def test_nothing_is_too_long_for_one_breath_and_nothing_is_lost(text):
    broken = in_breaths(text)
    assert max(len(part) for part in re.split(r"[.!?;:,\n]", broken)) <= LONGEST_BREATH
    assert re.sub(r"\s", "", broken) == re.sub(r"\s", "", text)
