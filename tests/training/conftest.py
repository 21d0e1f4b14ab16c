from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny_corpus import write_corpus
from training.corpus import Corpus

try:
    import torch

    from training.frame_store import FrameStore
    from training.runs import sampler_for
    from training.sampling import Sampler
except ImportError:
    pass
else:
    # Tiny networks: threads would wait for each other longer than they compute.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("corpus")
    return Corpus(write_corpus(folder))


@pytest.fixture(scope="session")
def store(tiny_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("frames")
    return FrameStore.open(tiny_corpus, tiny_corpus.split("train"), folder)


@pytest.fixture(scope="session")
def sampler(tiny_corpus: Corpus, store: FrameStore) -> Sampler:
    return sampler_for(tiny_corpus, store, None, -5)
