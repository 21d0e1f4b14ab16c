"""The example clients, run as they are against a real server on loopback."""

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.test_animation import film_frames

EXAMPLES = Path(__file__).parents[2] / "examples/clients"


@pytest.fixture
def files(sound, picture, tmp_path):
    """A face and a sound on disk."""
    face, speech = tmp_path / "face.png", tmp_path / "speech.wav"
    face.write_bytes(picture)
    speech.write_bytes(sound)
    return face, speech


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(running, files, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    subprocess.run(
        [EXAMPLES / "curl.sh", running().url, *files, output], check=True, capture_output=True
    )
    for name in ("animation.mp4", "cached.mp4", "sync.mp4"):
        assert film_frames((output / name).read_bytes()) == 3
    assert Path(json.loads((output / "reply.json").read_text())["video_path"]).is_file()


def test_httpx(running, files, tmp_path):
    output = tmp_path / "out.mp4"
    animate = runpy.run_path(str(EXAMPLES / "python_httpx.py"))["animate"]
    assert animate(running().url, *files, output) == pytest.approx(0.28)
    assert film_frames(output.read_bytes()) == 7


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_fetch(running, files, tmp_path):
    output = tmp_path / "out.mp4"
    command = ["node", EXAMPLES / "fetch.mjs", running().url, *files, output]
    subprocess.run(command, check=True, capture_output=True)
    assert film_frames(output.read_bytes()) == 7


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_console_is_valid_javascript(tmp_path):
    page = (Path(__file__).parents[2] / "api/web/index.html").read_text()
    script = tmp_path / "console.mjs"
    script.write_text(page.partition("<script>")[2].partition("</script>")[0])
    subprocess.run(["node", "--check", script], check=True, capture_output=True)
