"""What every training run promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from training.network import TrainedNetwork


def assert_resumes(trainer: Callable[..., Any], folder: Path) -> None:
    """Check that a run of four steps, stopped after two, ends with the weights of a whole one.

    Args:
        trainer: Makes a trainer of a folder; further options by name.
        folder: Empty.
    """
    whole = trainer(folder / "whole")
    whole.run()

    def stop(network: TrainedNetwork) -> float:
        raise KeyboardInterrupt

    parts = folder / "parts"
    first = trainer(parts, save_every_s=0, score_every=3)
    with pytest.raises(KeyboardInterrupt):
        first.run(stop)
    second = trainer(parts)
    assert second.progress.step == 2
    second.run()
    for name, value in whole.average.items():
        assert torch.equal(value, second.average[name]), name
