"""The program as a stranger runs it, on the bundled networks and the sample avatar."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import silence, tone
from tests.program import SAMPLE, needs_models, run, write_drifting_face, write_wav

pytestmark = needs_models


def probe(path: Path) -> tuple[list[np.ndarray], float, float]:
    """Frames, seconds of picture, seconds of sound of a video."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        fps = float(container.streams.video[0].average_rate or 0)
    samples, rate = 0, 1
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples += frame.samples
            rate = frame.sample_rate
    return frames, len(frames) / fps, samples / rate


def test_animate_makes_a_video_as_long_as_its_sound(tmp_path, speech):
    output, report = tmp_path / "out.mp4", tmp_path / "report.json"
    ran = run("animate", "-a", SAMPLE, "-s", speech, "-o", output, "--report", report)
    assert ran.code == 0, ran.stderr
    frames, picture_s, sound_s = probe(output)
    assert abs(picture_s - sound_s) <= 1 / 25
    facts = json.loads(report.read_text())
    assert facts["frames"] == len(frames)
    assert facts["cache"] in {"hit", "miss"}
    assert set(facts["stages_s"]) >= {"decode", "detect", "mel", "infer", "blend", "encode"}


def test_the_second_run_finds_the_avatar_prepared(tmp_path, speech):
    reports = []
    for name in ("a", "b"):
        report = tmp_path / f"{name}.json"
        run("animate", "-a", SAMPLE, "-s", speech, "-o", tmp_path / "o.mp4", "--report", report)
        reports.append(json.loads(report.read_text()))
    assert reports[1]["cache"] == "hit"


def test_say_and_demo_speak_without_a_network(tmp_path):
    said = run("say", "Good morning.", "-a", SAMPLE, "-o", tmp_path / "say.mp4")
    shown = run("demo", "--text", "Good morning.", "-o", tmp_path / "demo.mp4")
    assert (said.code, shown.code) == (0, 0), said.stderr + shown.stderr
    assert "infer" in shown.stdout


def test_a_video_avatar_keeps_its_own_rate_and_size(tmp_path, speech, face_video):
    output = tmp_path / "out.mp4"
    ran = run("animate", "-a", face_video, "-s", speech, "-o", output)
    assert ran.code == 0, ran.stderr
    frames, picture_s, sound_s = probe(output)
    assert frames[0].shape == (256, 256, 3)
    assert picture_s == pytest.approx(sound_s, abs=1 / 20)


def test_pixels_far_from_the_mouth_of_a_still_avatar_never_change(tmp_path, speech):
    output = tmp_path / "out.mp4"
    run("animate", "-a", SAMPLE, "-s", speech, "-o", output)
    frames, _, _ = probe(output)
    corner = np.stack([f[300:, :200] for f in frames]).astype(int)
    # H.264 may wander by a level or two, never more, where every source frame is the same.
    assert np.ptp(corner[5:], axis=0).mean() < 2


def test_avatars_are_added_listed_exported_checked_and_removed(tmp_path):
    added = run("avatar", "add", SAMPLE, "--id", "sample")
    assert added.code == 0, added.stderr
    assert "sample" in run("avatar", "list").stdout
    bundle = tmp_path / "s.avatar"
    assert run("avatar", "export", "sample", bundle).code == 0
    assert run("avatar", "remove", "sample").code == 0
    assert run("avatar", "show", "sample").code == 3
    assert run("avatar", "import", bundle, "--id", "again").code == 0
    assert run("avatar", "check", "again").code == 0
    assert json.loads(run("avatar", "show", "again").stdout)["avatar_id"] == "again"


def test_the_id_of_an_avatar_may_have_a_dot(tmp_path, speech):
    assert run("avatar", "add", SAMPLE, "--id", "anna.v1").code == 0
    ran = run("animate", "-a", "anna.v1", "-s", speech, "-o", tmp_path / "o.mp4")
    assert ran.code == 0, ran.stderr


def test_inspect_tells_faces_and_sound_without_work(speech):
    found = json.loads(run("inspect", SAMPLE, "--json").stdout)
    assert len(found["faces"]) == 1
    heard = json.loads(run("inspect", speech, "--json").stdout)
    assert heard["audio"]["duration_s"] == pytest.approx(2.0, abs=0.01)


def test_doctor_finds_this_installation_sound():
    ran = run("doctor")
    assert ran.code == 0, ran.stdout
    assert "bundled" in ran.stdout or "mouthpiece" in ran.stdout


def test_the_flags_of_wav2lip_make_the_same_kind_of_video(tmp_path, speech):
    xml = Path(__file__).parents[1] / "models" / "mouthpiece" / "mouthpiece.xml"
    ran = run(
        "wav2lip", "--checkpoint_path", xml, "--face", SAMPLE, "--audio", speech,
        "--outfile", tmp_path / "results" / "voice.mp4", "--pads", 0, 10, 0, 0,
        "--wav2lip_batch_size", 64, "--static", "True",
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    assert "--wav2lip_batch_size" in ran.stderr
    assert (tmp_path / "results" / "voice.mp4").is_file()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of vowel-like sound with pauses."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    return write_wav(path, np.concatenate([silence(0.4), tone(1.2), silence(0.4)]))


@pytest.fixture(scope="module")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    return write_drifting_face(path, frames=12, rate=20, codec="libx264")
