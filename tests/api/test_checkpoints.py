"""Which network stands for a checkpoint file."""

from types import SimpleNamespace

import pytest

from api.checkpoints import generator_for_checkpoint
from runtime.errors import FidelityError
from runtime.models import ModelStore


def test_a_checkpoint_whose_int8_is_too_poor_runs_in_full_precision(tmp_path, monkeypatch):
    conversion = pytest.importorskip("convert.conversion")
    checkpoint = tmp_path / "own.pth"
    checkpoint.write_bytes(b"weights")

    def refused(*_arguments, **_options):
        raise FidelityError("too far from full precision")

    monkeypatch.setattr("api.checkpoints.find_spec", lambda _name: SimpleNamespace())
    monkeypatch.setattr(conversion, "convert_generator", refused)
    name = generator_for_checkpoint(checkpoint, ModelStore([tmp_path]), tmp_path)
    assert name.startswith("own-")
