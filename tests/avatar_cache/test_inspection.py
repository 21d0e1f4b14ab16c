"""Inspection tells in words what would go wrong."""

import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest

from avatar_cache import sampling
from avatar_cache.inspection import inspect_media
from runtime.audio import encode_wav
from runtime.errors import VideoDecodeError
from runtime.types import FaceBox

BIG = FaceBox(30, 10, 150, 130)


def sound(seconds=1.0, level=0.3):
    time = np.arange(int(16_000 * seconds)) / 16_000
    return encode_wav((level * np.sin(2 * np.pi * 220 * time)).astype(np.float32))


def test_a_good_portrait_has_no_warnings(detector, draw, as_png):
    found = inspect_media(as_png(draw([BIG])), detector)
    assert (found.kind, found.size, found.duration_s) == ("image", (144, 192), 0.0)
    assert found.warnings == ()
    assert found.faces[0].thumbnail[:2] == b"\xff\xd8"
    assert found.audio is None


def test_a_picture_without_a_face_says_so(detector, draw, as_png):
    assert "no face" in inspect_media(as_png(draw([])), detector).warnings[0]


def test_small_and_several_faces_are_warned_about(detector, draw, as_png):
    source = as_png(draw([FaceBox(10, 10, 60, 70), FaceBox(100, 10, 180, 130)]))
    found = inspect_media(source, detector)
    assert [face.face_id for face in found.faces] == [0, 1]
    assert any(warning.startswith("2 faces") for warning in found.warnings)
    assert any("face 1 is small" in warning for warning in found.warnings)


def test_times_without_a_face_are_named(detector, draw, as_video):
    source = as_video([draw([BIG])] * 25 + [draw([])] * 25 + [draw([BIG])] * 25)
    found = inspect_media(source, detector)
    assert found.duration_s == pytest.approx(3.0, abs=0.05)
    (face,) = found.faces
    assert face.ranges_s[0] == pytest.approx((0.0, 1.0), abs=0.1)
    assert any(w.startswith("no face from 1.0") or "0.9" in w for w in found.warnings)


def test_a_long_video_is_sampled(detector, draw, as_video):
    found = inspect_media(as_video([draw([BIG])] * 400), detector)
    assert 50 <= found.frames_sampled <= 66
    assert found.faces[0].ranges_s[-1][1] == pytest.approx(16.0, abs=0.5)


def test_a_face_that_is_away_for_a_second_is_missed_even_in_a_long_video(
    detector, draw, as_video, monkeypatch
):
    shown = [draw([BIG])] * 150 + [draw([])] * 40 + [draw([BIG])] * 160
    for whole_frames in (3000, 100):
        monkeypatch.setattr(sampling, "WHOLE_FRAMES", whole_frames)
        found = inspect_media(as_video(shown), detector)
        (gap,) = [w for w in found.warnings if w.startswith("no face from")]
        assert gap.startswith(("no face from 6.0", "no face from 5.9", "no face from 6.1"))
        assert 40 <= found.frames_sampled <= 66


def test_sound_alone_is_described(detector):
    found = inspect_media(sound(), detector)
    assert (found.kind, found.size, found.faces, found.warnings) == ("audio", None, (), ())
    assert found.audio is not None
    assert found.duration_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("level", "word"), [(0.0, "silent"), (1.0, "clipped")])
def test_silent_and_clipped_sound_is_warned_about(detector, level, word):
    assert word in inspect_media(sound(level=level), detector).warnings[0]


def test_a_variable_frame_rate_is_warned_about(detector, draw):
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 144, 192, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        time = 0
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(draw([BIG]), format="bgr24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            time += 30 if index % 3 else 120
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = inspect_media(output.getvalue(), detector)
    assert any("variable frame rate" in warning for warning in found.warnings)


def test_json_and_text_tell_the_same_faces(detector, draw, as_png):
    found = inspect_media(as_png(draw([BIG])), detector)
    values = json.loads(json.dumps(found.as_json()))
    assert values["faces"][0]["box"] == list(found.faces[0].box)
    assert "face 0" in found.as_text()


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_neither_picture_nor_sound_is_refused(detector, content):
    with pytest.raises(VideoDecodeError):
        inspect_media(content, detector)
