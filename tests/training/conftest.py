from pathlib import Path

import pytest

from tests.training.tiny_corpus import write_corpus
from training.corpus import Corpus


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("corpus")
    return Corpus(write_corpus(folder))
