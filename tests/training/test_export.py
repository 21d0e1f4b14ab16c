from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import corpus  # noqa: E402
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
    clip = tiny_corpus.read(tiny_corpus.entries[0])
    crop = corpus.cut_face(clip.frames[0], corpus.crop_from_video())
    mel = tiny_corpus.mel(clip.entry.sound)
    drawn = CheckpointMouths(network).draw(clip, mel, crop).astype(int)
    served = GeneratorMouths(exported).draw(clip, mel, crop).astype(int)
    # Weights travel as half precision: a level or two of 255.
    assert np.abs(drawn - served).max() <= 2


def test_every_step_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for step in ("dataset", "voices", "train", "expert", "evaluate", "export"):
        with pytest.raises(SystemExit) as stopped:
            main([step, "--help"])
        assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out
