import numpy as np

from runtime.chunks import MelChunker
from tests.training.tiny_corpus import FRAMES
from training import corpus
from training.corpus import Corpus


def test_clips_come_with_lips_for_every_frame(tiny_corpus: Corpus) -> None:
    clip = tiny_corpus.read(tiny_corpus.entries[0])
    assert clip.frames.shape == (FRAMES, 128, 128, 3)
    assert clip.lips.shape == (FRAMES, 40, 2)


def test_everything_that_is_not_for_training_is_held_out(tiny_corpus: Corpus) -> None:
    assert [entry.clip_id for entry in tiny_corpus.heldout] == ["face2"]
    assert len(tiny_corpus.split("train")) == 2


def test_the_crop_is_the_middle_of_the_frame() -> None:
    corners = np.array([[64 - 64 / 1.35, 64 - 64 / 1.35], [64 + 64 / 1.35, 64]], np.float32)
    mapped = corpus.map_points(corners, corpus.crop_from_video())
    assert np.allclose(mapped, [[0, 0], [96, 48]], atol=1e-4)


def test_training_hears_what_the_engine_hears(tiny_corpus: Corpus) -> None:
    mel = tiny_corpus.mel("sound0")
    chunker = MelChunker(corpus.FPS, offset=-5)
    served = [*chunker.push(mel), *chunker.flush(FRAMES)]
    trained = corpus.mel_chunks(mel, range(FRAMES), -5)
    assert np.array_equal(np.stack(served[:FRAMES]), trained)
