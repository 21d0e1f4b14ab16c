from pathlib import Path

import pytest

from tests.training.tiny_corpus import write_corpus
from training.corpus import Corpus

try:
    import torch
except ImportError:
    pass
else:
    # Tiny networks: threads would wait for each other longer than they compute.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("corpus")
    return Corpus(write_corpus(folder))
