from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.corpus import Corpus  # noqa: E402
from training.expert import (  # noqa: E402
    REACH,
    agreements,
    load_expert,
    save_expert,
    train_expert,
    windows,
)
from training.frame_store import FrameStore  # noqa: E402


def test_an_expert_is_trained_saved_and_asked(tiny_corpus: Corpus, tmp_path: Path) -> None:
    entries = tiny_corpus.split("train")
    store = FrameStore.open(tiny_corpus, entries, tmp_path)
    mels = {entry.sound: tiny_corpus.mel(entry.sound) for entry in entries}
    expert = train_expert(windows(store, mels, 4, np.random.default_rng(0)), 2)
    save_expert(expert, tmp_path / "expert.safetensors")
    loaded = load_expert(tmp_path / "expert.safetensors")
    mouths = np.random.default_rng(1).integers(0, 255, (8, 96, 96, 3), np.uint8)
    found = agreements(loaded, mouths, mels["sound0"])
    assert found == agreements(expert, mouths, mels["sound0"])
    assert list(found) == list(range(-REACH, REACH + 1))
    assert all(-1.001 <= value <= 1.001 for value in found.values())
