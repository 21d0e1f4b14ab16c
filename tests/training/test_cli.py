"""The steps one after the other on a tiny data set, as docs/training.md shows them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from runtime.models import ModelStore  # noqa: E402
from runtime.network import read_facts  # noqa: E402
from tests.training.tiny_corpus import DarknessReader, lips  # noqa: E402
from training import cli, steps as training_steps  # noqa: E402
from training.corpus import Corpus  # noqa: E402
from training.network import TrainedNetwork, save  # noqa: E402


@pytest.fixture
def steps(tiny_corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(training_steps, "_reader", lambda chosen: DarknessReader())
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = TrainedNetwork(0.0625, 0.0625)
    save(network.body.state_dict(), network.facts(), tmp_path / "begun.safetensors")
    (tmp_path / "data").symlink_to(tiny_corpus.root)
    return tmp_path


def _run(line: str) -> None:
    cli.main(line.split())


def test_ears_are_trained_then_the_gain_is_folded_and_both_are_evaluated(
    steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(
        "train-audio data runs/ears --init begun.safetensors --steps 2 --batch 4 --score-every 1"
        " --lip-steps 1 --surrogate-sounds 8"
    )
    heard = TrainedNetwork.load(steps / "runs/ears/best.safetensors")
    assert heard.widths == (0.0625, 0.0625)
    _run("join begun.safetensors joined.safetensors --hearing runs/ears/best.safetensors")
    _run("gain data joined.safetensors wider.safetensors --limit 1")
    assert "gain" in capsys.readouterr().out
    _run("evaluate data runs/ears/best.safetensors wider.safetensors --truth --out report")
    header = capsys.readouterr().out.splitlines()[1]
    assert header.split() == ["truth", "best", "wider"]
    report = json.loads((steps / "report/figures.json").read_text())
    assert len(report["held-out clips"]["wider"]["cases"]) == 1


def test_lips_are_trained_and_exported(steps: Path) -> None:
    shutil.copytree(steps / "data", steps / "closing")
    for path in (steps / "closing/lips").glob("*.npz"):
        points = np.stack([lips(gap) for gap in [0.0] * 6 + [4.0, 8.0, 12.0, 8.0] * 2])
        np.savez(path, m=points)
    _run("train-lips closing runs/lips --steps 2 --batch 2 --score-every 1")
    _run("export-lips runs/lips/best.safetensors --network lips.xml --gain 1.2 --name mine-lips")
    facts = read_facts(steps / "lips.xml")
    assert (facts["role"], facts["name"], facts["mel_offset"]) == ("lips", "mine-lips", "-5")


def test_what_is_exported_is_found_with_its_lips(steps: Path) -> None:
    _run(
        "export begun.safetensors mine.safetensors --network store/mine.xml --name mine"
        " --lips mine-lips"
    )
    found = ModelStore([steps / "store"]).find("mine")
    assert (found.entry.role, found.entry.lips) == ("generator", "mine-lips")


def test_a_picture_stage_writes_sheets_and_keeps_the_best(steps: Path) -> None:
    _run(
        "train data runs/first --init begun.safetensors --steps 1 --batch 2 --score-every 1"
        " --lip-steps 1"
    )
    assert (steps / "runs/first/step-000001.jpg").exists()
    assert (steps / "runs/first/best.safetensors").exists()


def test_an_expert_trained_by_the_step_judges_in_the_evaluation(
    steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("expert data --out expert.safetensors --steps 1 --batch 2")
    _run("evaluate data begun.safetensors --expert expert.safetensors")
    assert "in_sync" in capsys.readouterr().out
