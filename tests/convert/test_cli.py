"""Laws of the verbs: what they print, where they write, and that they cost nothing to import."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from convert import cli, conversion, fetch as fetching, models_cli
from convert.conversion import ConvertReport
from runtime.errors import ModelNotFoundError

runner = CliRunner()


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


def models(own, *arguments):
    return runner.invoke(models_cli.app, ["--models-dir", str(own), *arguments])


def test_the_list_names_every_network_and_marks_the_default(own):
    result = models(own, "list")

    assert result.exit_code == 0
    assert "mouthpiece*     generator  f32" in result.stdout
    assert "wav2lip-gan     generator  -" in result.stdout


def test_fetch_writes_to_the_users_folder_and_prints_what_it_installed(own, monkeypatch):
    def fetched(names, folder, **_options):
        return [folder / f"{name}.xml" for name in names]

    monkeypatch.setattr(fetching, "fetch", fetched)

    result = models(own, "fetch", "--required")

    assert f"{own}/blazeface.xml" in result.stdout
    assert f"{own}/facemesh.xml" in result.stdout


def test_fetch_without_a_name_is_a_usage_error(own):
    assert models(own, "fetch").exit_code == 2


def test_a_research_licence_is_never_accepted_in_silence(own):
    result = models(own, "fetch", "wav2lip", "--from", "nowhere.pth")

    assert "licence: research only" in result.stderr
    assert "--accept-licence" in result.stderr
    assert isinstance(result.exception, ModelNotFoundError)
    assert "was not accepted" in str(result.exception)


def test_an_accepted_licence_goes_on_to_the_file(own):
    result = models(own, "fetch", "wav2lip", "--from", "nowhere.pth", "--accept-licence")

    assert "cannot read nowhere.pth" in str(result.exception)


def test_verify_fails_when_a_file_has_changed(own, monkeypatch):
    from runtime.models import FileCheck, ModelStore

    monkeypatch.setattr(ModelStore, "verify", lambda _: [FileCheck("n", own / "n.bin", "changed")])

    result = models(own, "verify")

    assert result.exit_code == 1
    assert result.stdout.startswith("changed  n ")


def test_use_refuses_what_is_not_installed(own):
    assert isinstance(models(own, "use", "wav2lip").exception, ModelNotFoundError)


def test_convert_passes_its_options_on(own, monkeypatch, tmp_path):
    seen = SimpleNamespace()

    def converted(checkpoint, folder, options, **_more):
        seen.checkpoint, seen.folder, seen.options = checkpoint, folder, options
        return ConvertReport(
            name="n", layout="nota", width="1", files=(folder / "n.xml",), warnings=("careful",)
        )

    monkeypatch.setattr(conversion, "convert_generator", converted)

    options = "--no-int8 --mel-offset 3 --media a --media b --floor-median 36"
    command = f"--models-dir {own} generator --checkpoint w.pth {options}"
    result = runner.invoke(cli.app, command.split())

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{own}/n.xml\n"
    assert "warning: careful" in result.stderr
    assert (seen.folder, seen.options.mel_offset, seen.options.int8) == (own, 3, False)
    assert [path.name for path in seen.options.sources.media] == ["a", "b"]
    assert seen.options.floor.median_db == 36.0


def test_importing_the_verbs_loads_nothing_heavy():
    code = (
        "import sys, typer; before = set(sys.modules);"
        "import convert.cli, convert.models_cli;"
        "print(*(set(sys.modules) - before))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"numpy", "cv2", "openvino", "torch", "nncf", "runtime.models"} & set(loaded)


def test_openvino_is_imported_without_its_telemetry():
    code = (
        "import sys, convert.ir, nncf; from nncf.telemetry import telemetry;"
        "print(sys.modules['openvino_telemetry'], type(telemetry).__name__)"
    )

    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert told.split() == ["None", "MagicMock"]
