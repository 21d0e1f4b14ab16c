"""The composition root on the bundled networks."""

import threading

import cv2
import numpy as np
import pytest

from api.options import AnimateOptions
from api.service import Mouthpiece
from api.settings import Settings
from runtime.audio import encode_wav
from runtime.errors import AudioTooLongError, CancelledError, OptionError, OutputError
from runtime.faces import counters
from runtime.video import read_image
from tests.conftest import silence, tone
from tests.program import SAMPLE, needs_models, write_drifting_face

pytestmark = needs_models


@pytest.fixture(scope="module")
def mouthpiece(tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("engine"), max_audio_s=60.0)
    with Mouthpiece(settings) as opened:
        yield opened


@pytest.fixture
def speech():
    return encode_wav(np.concatenate([tone(0.4), silence(0.6), tone(0.3)]))


def test_an_avatar_prepared_before_costs_no_detection(mouthpiece, speech, tmp_path):
    first = mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4")
    before = counters.snapshot().detections
    second = mouthpiece.animate(SAMPLE, speech, tmp_path / "b.mp4")
    third = mouthpiece.animate(first.avatar_id, speech, tmp_path / "c.mp4")
    assert counters.snapshot().detections == before
    assert second.cache == third.cache == "hit"


def test_features_are_kept_when_mouths_are_first_drawn_and_not_before(mouthpiece, speech, tmp_path):
    avatar = mouthpiece.add_avatar(SAMPLE, avatar_id="features").avatar_id
    mouthpiece.animate(avatar, speech, tmp_path / "a.mp4")
    assert not mouthpiece.avatars.show(avatar).manifest.features
    mouthpiece.animate(avatar, speech, tmp_path / "b.mp4", AnimateOptions(blend="mesh"))
    assert list(mouthpiece.avatars.show(avatar).manifest.features) == [
        mouthpiece.generator().digest
    ]


@pytest.mark.parametrize(("blend", "expected"), [("auto", "warp"), ("ellipse", "ellipse")])
def test_the_fast_preset_moves_lips_where_they_are_heard(
    mouthpiece, speech, tmp_path, blend, expected
):
    options = AnimateOptions(preset="fast", blend=blend)
    assert mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", options).blend == expected


def test_an_avatar_that_may_not_be_written_is_drawn_without_keeping_features(
    mouthpiece, speech, tmp_path, monkeypatch
):
    avatar = mouthpiece.add_avatar(SAMPLE, avatar_id="read-only").avatar_id

    def refuse(*_args, **_more):
        raise PermissionError(13, "read-only file system")

    monkeypatch.setattr(mouthpiece.avatars._files, "lock", refuse)
    mouthpiece.animate(avatar, speech, tmp_path / "a.mp4", AnimateOptions(blend="mesh"))
    assert (tmp_path / "a.mp4").exists()


def test_without_the_cache_the_avatar_is_forgotten(mouthpiece, speech, tmp_path):
    options = AnimateOptions(use_cache=False, resize_factor=2)
    report = mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", options)
    assert report.cache == "miss"
    assert report.avatar_id not in mouthpiece.avatars
    assert not list(mouthpiece.settings.uploads_dir.iterdir())


def test_the_report_counts_what_was_written(mouthpiece, speech, tmp_path):
    report = mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", AnimateOptions(fps=10.0))
    assert (report.frames, report.fps, report.size) == (13, 10.0, (512, 512))
    assert report.av_offset_ms == 0
    assert report.stages_s["infer"] > 0
    assert report.silence_motion is not None
    assert report.silence_motion < 0.5


def test_the_report_names_the_method_that_made_the_frames(mouthpiece, speech, tmp_path):
    cut_off = AnimateOptions(crop=(0, 512, 0, 240))
    report = mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", cut_off)
    assert report.blend == "mesh"
    (said,) = report.warnings
    assert f"{report.frames} of {report.frames} frames was pasted" in said


@pytest.mark.parametrize(("blend", "is_told"), [("warp", True), ("mesh", False)])
def test_who_sharpens_a_mouth_that_is_not_pasted_is_told(
    mouthpiece, speech, tmp_path, blend, is_told
):
    options = AnimateOptions(blend=blend, sharpen_mouth=True)
    report = mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", options)
    assert any("sharpen_mouth" in said for said in report.warnings) == is_told


def test_a_box_round_what_is_no_face_is_pasted(mouthpiece, speech, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    in_box = AnimateOptions(box=(40, 220, 40, 210))
    report = mouthpiece.animate(tmp_path / "noise.png", speech, tmp_path / "a.mp4", in_box)
    assert report.blend == "mesh"


def test_a_film_that_loses_an_avatars_opacity_says_so(mouthpiece, speech, tmp_path):
    opacity = np.full((512, 512, 1), 255, np.uint8)
    opacity[:, :100] = 0
    avatar = tmp_path / "cut-out.png"
    cv2.imwrite(str(avatar), np.dstack([read_image(SAMPLE), opacity]))
    lost, kept = (
        mouthpiece.animate(avatar, speech, tmp_path / name).warnings for name in ("a.mp4", "a.webm")
    )
    assert [w for w in lost if "opacity" in w]
    assert not [w for w in kept if "opacity" in w]


def test_deterministic_runs_give_the_same_bytes(mouthpiece, speech, tmp_path):
    options = AnimateOptions(deterministic=True)
    for name in ("a.mp4", "b.mp4"):
        mouthpiece.animate(SAMPLE, speech, tmp_path / name, options)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_cancelling_leaves_nothing(mouthpiece, speech, tmp_path):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        mouthpiece.animate(SAMPLE, speech, tmp_path / "a.mp4", cancel=cancel)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_stops_the_preparing_of_an_avatar(mouthpiece, speech, tmp_path):
    cancel, told = threading.Event(), list[float]()

    def stop_at_once(fraction):
        told.append(fraction)
        cancel.set()

    with pytest.raises(CancelledError, match="preparing"):
        mouthpiece.animate(
            write_drifting_face(tmp_path / "face.mkv", frames=6), speech, tmp_path / "a.mp4",
            AnimateOptions(use_cache=False), progress=stop_at_once, cancel=cancel,
        )  # fmt: skip
    assert len(told) == 1
    assert not list(tmp_path.glob("*a.mp4*"))


def test_progress_never_goes_back_and_ends_at_the_end(mouthpiece, speech, tmp_path):
    told: list[float] = []
    options = AnimateOptions(use_cache=False)
    video = write_drifting_face(tmp_path / "face.mkv", frames=6)
    mouthpiece.animate(video, speech, tmp_path / "a.mp4", options, progress=told.append)
    assert told == sorted(told)
    assert told[:6] == pytest.approx([prepared / 12 for prepared in range(6)])
    assert told[-1] == 1.0


def test_limits_hold_while_reading(mouthpiece, tmp_path):
    with pytest.raises(AudioTooLongError):
        mouthpiece.animate(SAMPLE, encode_wav(tone(61.0)), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_before_work(mouthpiece, speech, tmp_path):
    with pytest.raises(OutputError):
        mouthpiece.animate(SAMPLE, speech, tmp_path / "no" / "folder.mp4")
    with pytest.raises(OptionError, match="gif"):
        mouthpiece.animate(SAMPLE, speech, tmp_path / "a.gif")


def test_threads_share_one_engine(mouthpiece, speech, tmp_path):
    failures = []

    def work(name):
        try:
            mouthpiece.animate(SAMPLE, speech, tmp_path / f"{name}.mp4")
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(tmp_path.glob("*.mp4"))) == 4


def test_inspecting_tells_what_the_limits_refuse(tmp_path, speech):
    limits = Settings(data_dir=tmp_path, max_pixels=1000, max_audio_s=0.5)
    with Mouthpiece(limits) as small:
        assert "MOUTHPIECE_MAX_PIXELS" in small.inspect(SAMPLE).warnings[-1]
        assert "MOUTHPIECE_MAX_AUDIO_S" in small.inspect(speech).warnings[-1]


def test_a_video_never_replaces_what_it_is_made_from(mouthpiece, tmp_path):
    source = tmp_path / "speech.mp4"
    source.write_bytes(encode_wav(tone(0.3)))
    with pytest.raises(OutputError, match="one of the sources"):
        mouthpiece.animate(SAMPLE, source, source)
    assert source.read_bytes() == encode_wav(tone(0.3))
