"""Laws of replacing the bundled generator."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from convert.bundle import replace_bundled
from convert.conversion import GeneratorOptions
from convert.networks.wav2lip import Wav2Lip, channels_for_width
from runtime.errors import ConversionError
from runtime.manifest import read_manifest
from runtime.models import MANIFEST, ModelStore


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    save_file(dict(Wav2Lip(channels_for_width(0.02)).state_dict()), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_the_manifest_follows_the_bundled_files_and_nothing_else_changes(checkpoint, tmp_path):
    manifest = tmp_path / "manifest.toml"
    shutil.copy(MANIFEST, manifest)
    before = read_manifest(manifest)

    report = replace_bundled(
        checkpoint,
        GeneratorOptions(int8=False),
        models=ModelStore(),
        folder=tmp_path / "mouthpiece",
        manifest=manifest,
    )

    after = read_manifest(manifest)
    assert report.name == "mouthpiece"
    assert list(after.networks["mouthpiece"].sha256) == [
        "w.safetensors",
        "mouthpiece.xml",
        "mouthpiece.bin",
    ]
    checks = ModelStore([tmp_path], manifest=manifest).verify()
    assert [check.state for check in checks] == ["ok", "ok"]
    for name, entry in before.networks.items():
        assert name == "mouthpiece" or after.networks[name] == entry
    assert not list((tmp_path / "mouthpiece").glob("*.card.json"))


def test_a_manifest_without_the_bundled_network_is_refused(checkpoint, tmp_path):
    (tmp_path / "manifest.toml").write_text("schema = 1\n")

    with pytest.raises(ConversionError, match="has no"):
        replace_bundled(
            checkpoint,
            GeneratorOptions(int8=False),
            models=ModelStore(),
            folder=tmp_path / "mouthpiece",
            manifest=tmp_path / "manifest.toml",
        )
