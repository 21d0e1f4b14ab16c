"""Input that cannot be used: a clear sentence, exit code 3, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.video import read_image
from tests.conftest import silence, tone
from tests.program import SAMPLE, Ran, needs_models, run, write_wav

pytestmark = needs_models


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "speech.wav", tone(0.5))


def write_picture(path: Path, picture: np.ndarray, *options: int) -> Path:
    ok, data = cv2.imencode(path.suffix, picture, options)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def refused(ran: Ran, output: Path, *words: object) -> None:
    """The run failed for its input, said why, and left nothing."""
    assert ran.code == 3, ran.stderr
    for word in words:
        assert str(word) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not output.exists()
    assert [p for p in output.parent.iterdir() if output.name in p.name] == []


def test_a_picture_without_a_face_is_refused_by_name(tmp_path, speech):
    wall = write_picture(tmp_path / "wall.png", np.full((300, 300, 3), 128, np.uint8))
    output = tmp_path / "out" / "o.mp4"
    output.parent.mkdir()
    refused(run("animate", "-a", wall, "-s", speech, "-o", output), output, "wall.png", "face")


def test_a_single_pixel_is_refused_like_any_picture_without_a_face(tmp_path, speech):
    dot = write_picture(tmp_path / "dot.png", np.zeros((1, 1, 3), np.uint8))
    output = tmp_path / "o.mp4"
    refused(run("animate", "-a", dot, "-s", speech, "-o", output), output, "dot.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.wav", b"this is not sound at all, it is a text\n" * 40),
        ("empty.wav", b""),
        ("cut.mp3", b"\xff\xfb"),
    ],
)
def test_sound_that_is_none_is_refused_with_what_was_found(tmp_path, name, content):
    sound, output = tmp_path / name, tmp_path / "o.mp4"
    sound.write_bytes(content)
    refused(run("animate", "-a", SAMPLE, "-s", sound, "-o", output), output, name, "expected")


@pytest.mark.parametrize("name", ["text.png", "text.mp4"])
def test_a_picture_that_is_none_is_refused_with_what_was_found(tmp_path, speech, name):
    picture, output = tmp_path / name, tmp_path / "o.mp4"
    picture.write_bytes(b"this is no picture\n" * 40)
    refused(run("animate", "-a", picture, "-s", speech, "-o", output), output, name, "expected")


def test_a_missing_file_is_named(tmp_path, speech):
    output = tmp_path / "o.mp4"
    missing = tmp_path / "nobody.png"
    refused(run("animate", "-a", missing, "-s", speech, "-o", output), output, "nobody.png")


def test_an_unknown_avatar_is_named(tmp_path, speech):
    output = tmp_path / "o.mp4"
    refused(run("animate", "-a", "nobody", "-s", speech, "-o", output), output, "nobody")


def test_5_ms_of_sound_are_too_short_and_50_ms_are_enough(tmp_path):
    output = tmp_path / "o.mp4"
    tiny = write_wav(tmp_path / "tiny.wav", tone(0.005))
    refused(run("animate", "-a", SAMPLE, "-s", tiny, "-o", output), output, "tiny.wav", "short")
    short = write_wav(tmp_path / "short.wav", tone(0.05))
    assert run("animate", "-a", SAMPLE, "-s", short, "-o", output).code == 0


def test_pure_silence_gives_a_video_of_a_closed_mouth(tmp_path):
    quiet = write_wav(tmp_path / "quiet.wav", silence(1.0))
    assert run("animate", "-a", SAMPLE, "-s", quiet, "-o", tmp_path / "o.mp4").code == 0


@pytest.mark.parametrize("kind", ["grey", "alpha", "large", "odd"])
def test_any_kind_of_picture_with_a_face_works(tmp_path, speech, kind):
    portrait = read_image(SAMPLE)
    picture = {
        "grey": lambda: cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY),
        "alpha": lambda: cv2.cvtColor(portrait, cv2.COLOR_BGR2BGRA),
        "large": lambda: cv2.resize(portrait, (2160, 2160), interpolation=cv2.INTER_CUBIC),
        "odd": lambda: portrait[:301, 50:353],
    }[kind]()
    path = write_picture(tmp_path / f"{kind}.png", picture)
    ran = run("animate", "-a", path, "-s", speech, "-o", tmp_path / "o.mp4")
    assert ran.code == 0, ran.stderr


def test_paths_may_hold_spaces_and_any_script(tmp_path, speech):
    folder = tmp_path / "mit Leerzeichen und Ümläuten 顔"
    folder.mkdir()
    face = folder / "gesicht 顔.png"
    face.write_bytes(SAMPLE.read_bytes())
    output = folder / "видео 1.mp4"
    ran = run("animate", "-a", face, "-s", speech, "-o", output)
    assert ran.code == 0, ran.stderr
    assert output.is_file()


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path, speech):
    output, report = tmp_path / "o.mp4", tmp_path / "no" / "report.json"
    ran = run("animate", "-a", SAMPLE, "-s", speech, "-o", output, "--report", report)
    refused(ran, output, report, "no folder")


def test_thumbnails_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ran = run("inspect", SAMPLE, "--thumbnails", tmp_path / "file" / "faces")
    assert ran.code == 3
    assert "Traceback" not in ran.stderr
    assert str(tmp_path / "file") in ran.stderr


def test_a_file_that_is_no_avatar_is_refused_by_name(tmp_path):
    text = tmp_path / "text.wav"
    text.write_bytes(b"this is no avatar\n" * 40)
    ran = run("avatar", "import", text)
    assert ran.code == 3
    assert str(text) in ran.stderr


def test_a_setting_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setenv("MOUTHPIECE_THREADS", "many")
    monkeypatch.setenv("FPS", "-1")
    ran = run("avatar", "list")
    assert ran.code == 1
    assert "MOUTHPIECE_THREADS is 'many': input should be a valid integer" in ran.stderr
    assert "MOUTHPIECE_FPS is '-1'" in ran.stderr


@pytest.mark.parametrize("verb", [("inspect", SAMPLE), ("avatar", "add", SAMPLE)])
def test_ctrl_c_ends_every_verb_with_code_4(monkeypatch, verb):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("api.service.open_mouthpiece", interrupted)
    ran = run(*verb)
    assert ran.code == 4
    assert "interrupted" in ran.stderr


def test_a_folder_that_is_not_there_is_refused_before_any_work(tmp_path, speech):
    output = tmp_path / "no" / "such" / "folder" / "o.mp4"
    ran = run("animate", "-a", SAMPLE, "-s", speech, "-o", output)
    assert ran.code == 3
    assert str(output.parent) in ran.stderr


def test_an_existing_video_survives_a_failed_run(tmp_path):
    output = tmp_path / "o.mp4"
    output.write_bytes(b"precious")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    assert run("animate", "-a", SAMPLE, "-s", broken, "-o", output).code == 3
    assert output.read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, speech):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a disk")
    try:
        long = write_wav(tmp_path / "long.wav", tone(3.0))
        ran = run("animate", "-a", SAMPLE, "-s", long, "-o", disk / "o.mp4")
        assert ran.code == 3, ran.stderr
        assert "space" in ran.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_ctrl_c_stops_within_a_moment_with_code_4_and_leaves_nothing(tmp_path):
    output = tmp_path / "o.mp4"
    sound = write_wav(tmp_path / "long.wav", tone(600.0))
    command = [sys.executable, "-m", "api.cli", "animate", "-a", SAMPLE, "-s", sound, "-o", output]
    root = Path(__file__).parents[1]
    running = subprocess.Popen(list(map(str, command)), cwd=root, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not [p for p in tmp_path.iterdir() if "o.mp4" in p.name]:
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, words = running.communicate(timeout=30)
    assert running.returncode == 4, words
    assert "Traceback" not in words
    assert sorted(p.name for p in tmp_path.iterdir()) == ["long.wav"]
