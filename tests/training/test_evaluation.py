from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from runtime.types import Frame
from tests.training.tiny_corpus import CENTRE
from training.corpus import Corpus
from training.evaluation import Evaluator, TrueMouths, merit, put_back, summarise
from training.lips import LipPoints
from training.sheets import Sheet


class DarknessReader:
    """Reads the drawn faces: a mouth is as open as it is dark in its middle."""

    def read(self, frames: Sequence[Frame]) -> LipPoints:
        lips = np.zeros((len(frames), 40, 2), np.float32)
        x, y = (int(side) for side in CENTRE)
        columns = np.stack([frame[y - 12 : y + 13, x].mean(axis=-1) < 80 for frame in frames])
        lips[:, 10, 0] = 28
        lips[:, 23:28, 1] = columns.sum(axis=1)[:, None]
        return lips


class StillMouths:
    name = "still"

    def draw(self, clip, mel, crop):
        return np.repeat(crop[None], len(clip.frames), axis=0)


@pytest.fixture(scope="module")
def evaluator(tiny_corpus: Corpus) -> Evaluator:
    return Evaluator(tiny_corpus, DarknessReader())


def test_the_truth_follows_itself(evaluator: Evaluator) -> None:
    summary = summarise(evaluator.measure(TrueMouths()))
    assert summary["correlation"] > 0.95
    assert summary["sharpness"] == pytest.approx(1)
    assert summary["l1"] == 0


def test_a_still_mouth_follows_nothing(evaluator: Evaluator) -> None:
    still, truth = (summarise(evaluator.measure(s)) for s in (StillMouths(), TrueMouths()))
    assert still["correlation"] == 0
    assert still["slope"] == pytest.approx(0, abs=1e-9)
    assert still["l1"] > truth["l1"]
    assert still["identity"] == 0


def test_merit_prefers_the_truth_to_a_still_mouth(evaluator: Evaluator) -> None:
    assert merit(evaluator.measure(TrueMouths())) > merit(evaluator.measure(StillMouths()))


def test_mouths_are_put_back_where_they_came_from(tiny_corpus: Corpus) -> None:
    clip = tiny_corpus.read(tiny_corpus.entries[0])
    mouths = TrueMouths().draw(clip, np.empty(0, np.float32), clip.frames[0])
    pasted = np.stack(put_back(clip.frames[0], mouths))
    difference = np.abs(pasted.astype(int) - clip.frames.astype(int))[:, 72:96, 48:80]
    assert difference.mean() < 6  # a resampling there and back


def test_a_sheet_shows_every_clip(evaluator: Evaluator, tmp_path: Path) -> None:
    sheet = Sheet()
    evaluator.measure(TrueMouths(), show=sheet.add)
    sheet.write(tmp_path / "sheet.jpg")
    assert (tmp_path / "sheet.jpg").stat().st_size > 1000
