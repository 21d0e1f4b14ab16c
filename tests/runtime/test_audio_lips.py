"""The laws of lips that are moved by sound alone."""

from dataclasses import replace

import numpy as np
import openvino as ov
import pytest

from runtime.animator import Animator, StreamOptions
from runtime.audio_lips import AudioLips
from runtime.blending import BlendOptions
from runtime.chunks import MelChunker, frame_count, narrowed
from runtime.errors import ModelMismatchError
from runtime.generator import Generator
from runtime.mel import melspectrogram
from tests.conftest import ToyAvatar, ToyModelFile, silence, tone, toy_lips
from tests.runtime.networks import CountingGenerator
from tests.runtime.painted_face import painted_reference, shown
from tests.runtime.test_warp_own_teeth import blue_in, with_teeth

WARP = StreamOptions(blend=BlendOptions(method="warp"))


class PaintedAvatar(ToyAvatar):
    """Painted faces, which can be warped; those in ``covered`` have something in front."""

    def __init__(self, count=1, *, covered=(), without_face=()):
        super().__init__(count)
        face = painted_reference()
        self.size = face.size
        self._frames = [
            painted_frame(face, i, is_covered=i in covered, has_face=i not in without_face)
            for i in range(count)
        ]


def painted_frame(face, index, *, is_covered, has_face):
    cover = np.full((48, 48), 255, np.uint8) if is_covered else None
    planes = face.planes.copy()
    return replace(face, index=index, planes=planes, cover=cover, has_face=has_face)


@pytest.fixture
def generator(toy_model_file, toy_lips_file, plan):
    return CountingGenerator(toy_model_file, plan, lips=toy_lips_file)


@pytest.fixture
def lips(toy_lips_file, plan):
    return AudioLips(toy_lips_file, plan, mel_offset=0)


def opening(patch, still):
    return float(np.abs(shown(patch).astype(int) - shown(still)).mean())


def test_every_chunk_gets_its_movement_in_order_whatever_the_batch(lips):
    levels = np.linspace(-4, 2, 11, dtype=np.float32)
    chunks = [np.full((80, 20), level, np.float32) for level in levels]
    told = list(lips.movements(chunks))
    gaps = [float(np.diff(movement.motion[2:, 5, 1], axis=0)[0]) for movement in told]
    assert gaps == pytest.approx(0.05 * (levels + 4), abs=1e-5)


def test_wide_chunks_hold_the_generators_in_their_middle():
    mel = melspectrogram(tone(1.3))
    narrow, wide = MelChunker(25.0, offset=-5), MelChunker(25.0, offset=-5, around=8)
    pieces = np.array_split(mel, 7, axis=1)
    chunks = [
        [chunk for piece in pieces for chunk in chunker.push(piece)] + chunker.flush(33)
        for chunker in (narrow, wide)
    ]
    assert [chunk.shape[1] for chunk in chunks[1]] == [32] * 33
    assert all(np.array_equal(a, narrowed(b)) for a, b in zip(*chunks, strict=True))


def test_a_face_that_can_be_warped_needs_no_mouth_and_opens_with_the_sound(generator):
    sound = np.concatenate([silence(1.0), tone(1.0)])
    patches = list(Animator(generator).stream(PaintedAvatar(), [sound], WARP))
    assert len(patches) == frame_count(len(sound), 25.0)
    assert generator.asked == 0
    assert opening(patches[10], patches[0]) == 0
    assert opening(patches[40], patches[0]) > 0.2


def test_a_film_shows_the_avatars_own_teeth(generator):
    films = []
    for teeth in (None, with_teeth(painted_reference())):
        avatar = PaintedAvatar()
        avatar.teeth_frame = teeth
        films.append(list(Animator(generator).stream(avatar, [tone(1.0)], WARP)))
    without, own = (max(len(blue_in(shown(patch))) for patch in film) for film in films)
    assert without == 0
    assert own > 20


def test_frames_that_cannot_be_warped_are_drawn_and_nobody_is_overtaken(generator):
    avatar = PaintedAvatar(6, covered=(3,))
    patches = list(Animator(generator).stream(avatar, [tone(1.0)], WARP))
    assert [patch.reference.index for patch in patches[:8]] == [0, 1, 2, 3, 4, 5, 4, 3]
    shows = sum(patch.reference.index == 3 for patch in patches)
    assert shows <= generator.asked <= shows + 1


def test_pasted_mouths_are_counted_but_not_frames_without_a_face(generator):
    avatar = PaintedAvatar(6, covered=(3,), without_face=(4,))
    animator = Animator(generator)
    patches = list(animator.stream(avatar, [tone(1.0)], WARP))
    assert animator.pasted == sum(patch.reference.index == 3 for patch in patches) > 0


def test_a_face_that_cannot_be_trusted_is_drawn_throughout(generator):
    avatar = PaintedAvatar(3, covered=(0,))
    frames = len(list(Animator(generator).stream(avatar, [tone(1.0)], WARP)))
    assert generator.asked >= frames


def test_other_methods_draw_their_mouths(generator):
    options = StreamOptions(blend=BlendOptions(method="mesh"))
    frames = len(list(Animator(generator).stream(PaintedAvatar(), [tone(0.4)], options)))
    assert generator.asked >= frames


def test_any_cut_of_the_sound_gives_the_same_frames(generator):
    sound = np.concatenate([silence(0.4), tone(0.5), silence(0.5), tone(0.3, hertz=500)])
    whole, pieces = (
        [shown(patch) for patch in Animator(generator).stream(PaintedAvatar(), cut, WARP)]
        for cut in ([sound], np.array_split(sound, 23))
    )
    assert all(np.array_equal(a, b) for a, b in zip(whole, pieces, strict=True))


def test_other_lips_are_another_network(toy_model_file, toy_lips_file, plan):
    digests = {
        Generator(toy_model_file, plan, lips=lips).digest
        for lips in (None, toy_lips_file, ToyModelFile(toy_lips_file.path, "2" * 64))
    }
    assert len(digests) == 3


def test_lips_made_for_other_chunks_are_refused_by_name(tmp_path, plan):
    path = tmp_path / "late.xml"
    ov.save_model(toy_lips(mel_offset="3"), path)
    with pytest.raises(ModelMismatchError, match=r"late\.xml.*mel_offset must be '0', found '3'"):
        AudioLips(ToyModelFile(path), plan, mel_offset=0)
