from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_corpus import DarknessReader, clip_of
from training.cases import Case, clip_cases
from training.corpus import Corpus
from training.evaluation import Evaluator, TrueMouths, merit, put_back, summarise
from training.metrics import frames_around
from training.phones import bilabials
from training.report import figures_table, group_ratios, groups_table
from training.sheets import Sheet


class StillMouths:
    name = "still"

    def draw(self, case, mel):
        return np.repeat(case.crop[None], len(case.goal), axis=0)


@pytest.fixture(scope="module")
def cases(tiny_corpus: Corpus) -> list[Case]:
    return clip_cases(tiny_corpus, tiny_corpus.entries)


@pytest.fixture(scope="module")
def evaluator(cases: list[Case]) -> Evaluator:
    return Evaluator(cases, DarknessReader())


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


def test_mouths_are_put_back_where_they_came_from(cases: list[Case]) -> None:
    frames = clip_of(cases[0]).frames
    pasted = np.stack(put_back(frames[0], TrueMouths().draw(cases[0], cases[0].mel)))
    difference = np.abs(pasted.astype(int) - frames.astype(int))[:, 72:96, 48:80]
    assert difference.mean() < 6  # a resampling there and back


def test_a_mouth_that_never_closes_closes_at_no_bilabial(cases: list[Case]) -> None:
    case = cases[0]
    lips_meet = case.goal.copy()
    lips_meet[frames_around(bilabials(case.words)[0], 25, len(lips_meet))] = 0
    widest = clip_of(case).frames[int(case.goal.argmax())]
    measured = {}
    for name, face in (("open", widest), ("closed", case.face)):
        clip = replace(clip_of(case), frames=np.repeat(case.face[None], len(case.goal), axis=0))
        talking = replace(case, face=face, goal=lips_meet, clip=clip)
        (measured[name],) = Evaluator([talking], DarknessReader()).measure(StillMouths())
    assert measured["open"].bilabials == measured["closed"].bilabials == 1
    assert measured["open"].closed == 0
    assert measured["closed"].closed == 1


def test_a_sheet_shows_every_clip(evaluator: Evaluator, tmp_path: Path) -> None:
    sheet = Sheet()
    evaluator.measure(TrueMouths(), show=sheet.add)
    sheet.write(tmp_path / "sheet.jpg")
    assert (tmp_path / "sheet.jpg").stat().st_size > 1000


def test_generators_stand_side_by_side(evaluator: Evaluator) -> None:
    measured = {s.name: evaluator.measure(s) for s in (TrueMouths(), StillMouths())}
    header, *rows = figures_table(measured)
    assert header.split() == ["truth", "still"]
    (l1,) = (row.split() for row in rows if row.split()[0] == "l1")
    assert float(l1[1]) == 0 < float(l1[2])
    assert not any("confidence" in row for row in rows)  # nobody asked an expert


def test_groups_are_compared_with_the_median_of_all(evaluator: Evaluator) -> None:
    figures = evaluator.measure(TrueMouths())
    worse = replace(figures[0], groups=("worse",), correlation=0.5 * figures[0].correlation)
    same = [replace(row, groups=("same",), correlation=figures[0].correlation) for row in figures]
    assert group_ratios([worse, *same])["worse"][2] == pytest.approx(0.5)
    assert group_ratios([worse, *same])["same"][2] == pytest.approx(1)
    assert any("x0.50" in line for line in groups_table({"any": [worse, *same]}))
