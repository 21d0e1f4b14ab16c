import numpy as np
import pytest

from runtime.animator import Animator, StreamOptions
from runtime.blending import BlendOptions
from runtime.chunks import frame_count
from runtime.errors import AudioTooShortError
from runtime.generator import Generator
from runtime.video import render
from tests.conftest import ToyAvatar, silence, tone
from tests.runtime.networks import CountingGenerator

BOX = StreamOptions(blend=BlendOptions(method="box"))


@pytest.fixture
def animator(toy_model_file, plan):
    return Animator(Generator(toy_model_file, plan))


def mouth_level(patch):
    """Mean brightness of the middle of the mouth, above the frame's own grey."""
    return float(render(patch)[86:94, 70:90].mean()) - float(render(patch)[5, 5].mean())


@pytest.mark.parametrize("seconds", [0.03, 0.5, 1.0, 1.01, 2.345])
@pytest.mark.parametrize("frames", [1, 3])
def test_there_is_one_patch_per_video_frame_and_none_is_lost(animator, seconds, frames):
    sound = tone(seconds)
    patches = list(animator.stream(ToyAvatar(frames), [sound], BOX))
    assert len(patches) == frame_count(len(sound), 25.0)


def test_any_cut_of_the_sound_gives_the_same_frames(toy_model_file, plan):
    sound = np.concatenate([silence(0.4), tone(0.5), silence(0.5), tone(0.3, hertz=500)])
    whole, pieces = (
        [render(p) for p in Animator(Generator(toy_model_file, plan)).stream(ToyAvatar(), cut, BOX)]
        for cut in ([sound], np.array_split(sound, 37))
    )
    assert len(whole) == len(pieces)
    assert all(np.array_equal(a, b) for a, b in zip(whole, pieces, strict=True))


def test_the_mouth_moves_with_the_sound_and_rests_in_silence(animator):
    sound = np.concatenate([silence(1.0), tone(1.0), silence(1.0)])
    levels = [mouth_level(p) for p in animator.stream(ToyAvatar(), [sound], BOX)]
    assert max(levels[:15]) < 2
    assert min(levels[30:45]) > 20
    assert max(levels[62:]) < 2


def test_silence_costs_no_inference(toy_model_file, plan):
    generator = CountingGenerator(toy_model_file, plan)
    list(Animator(generator).stream(ToyAvatar(), [silence(10.0)], BOX))
    assert generator.asked <= 1


class BatchCountingGenerator(Generator):
    """Counts how often it is called for mouths."""

    calls = 0

    def generate(self, pairs):
        self.calls += 1
        return super().generate(pairs)


@pytest.mark.parametrize("sound", [silence(0.4), tone(0.4)])
def test_mouths_at_rest_of_a_video_are_drawn_together(toy_model_file, plan, sound):
    generator = BatchCountingGenerator(toy_model_file, plan)
    options = StreamOptions(blend=BlendOptions(method="mesh"))
    patches = list(Animator(generator).stream(ToyAvatar(10), [sound], options))
    assert len(patches) == 10
    assert generator.calls == 1


def test_speech_of_a_still_draws_its_mouth_at_rest_once(toy_model_file, plan):
    generator = CountingGenerator(toy_model_file, plan)
    frames = len(list(Animator(generator).stream(ToyAvatar(), [tone(1.0)], BOX)))
    assert generator.asked <= frames + 1


def test_without_gating_every_frame_is_generated(toy_model_file, plan):
    generator = CountingGenerator(toy_model_file, plan)
    options = StreamOptions(blend=BlendOptions(method="box"), silence_gating=False)
    list(Animator(generator).stream(ToyAvatar(), [silence(1.0)], options))
    assert generator.asked >= 25


def test_a_frame_without_a_face_is_shown_as_it_is_and_overtakes_nobody(animator):
    avatar = ToyAvatar(5, without_face=(2,))
    patches = list(animator.stream(avatar, [tone(1.0)], BOX))
    assert [p.reference.index for p in patches[:9]] == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert all(p.touched.any() != (p.reference.index == 2) for p in patches)


def test_a_still_avatar_takes_the_rate_asked_for_and_a_video_keeps_its_own(animator):
    options = StreamOptions(fps=10.0, blend=BlendOptions(method="box"))
    assert len(list(animator.stream(ToyAvatar(1), [tone(1.0)], options))) == 10
    assert len(list(animator.stream(ToyAvatar(2, fps=30.0), [tone(1.0)], options))) == 30


def test_no_sound_at_all_is_an_error_that_says_so(animator):
    with pytest.raises(AudioTooShortError, match="no sound"):
        list(animator.stream(ToyAvatar(), [], BOX))


def test_pixels_outside_the_mouth_keep_every_bit(animator):
    avatar = ToyAvatar()
    for patch in animator.stream(avatar, [tone(0.4)], BOX):
        untouched = np.ones(avatar.size, bool)
        region = patch.region
        untouched[region.y1 : region.y2, region.x1 : region.x2] = ~patch.touched
        reference = patch.reference.planes[: avatar.size[0]]
        shown = render(patch)
        blank = patch._replace(touched=np.zeros_like(patch.touched))
        assert np.array_equal(shown[untouched], render(blank)[untouched])
        assert reference.shape == avatar.size
