from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.arguments import ARGUMENTS  # noqa: E402
from training.cases import clip_cases  # noqa: E402
from training.cli import main  # noqa: E402
from training.corpus import Corpus  # noqa: E402
from training.network import TrainedNetwork, save  # noqa: E402
from training.sources import CheckpointMouths, GeneratorMouths  # noqa: E402


def test_the_exported_network_draws_what_the_checkpoint_draws(
    tiny_corpus: Corpus, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = TrainedNetwork(0.0625, 0.0625)
    save(network.body.state_dict(), network.facts(), tmp_path / "run.safetensors")
    exported = tmp_path / "tiny.xml"
    arguments = ["export", tmp_path / "run.safetensors", tmp_path / "w.safetensors"]
    main([str(part) for part in (*arguments, "--network", exported, "--name", "tiny")])
    (case,) = clip_cases(tiny_corpus, tiny_corpus.heldout)
    drawn = CheckpointMouths(network).draw(case, case.mel).astype(int)
    served = GeneratorMouths(exported).draw(case, case.mel).astype(int)
    # Weights travel as half precision: a level or two of 255.
    assert np.abs(drawn - served).max() <= 2


def test_every_step_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for step in ARGUMENTS:
        with pytest.raises(SystemExit) as stopped:
            main([step, "--help"])
        assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out
