"""The service on the real engine and the bundled networks."""

import base64
import io
import struct
import zlib

import av
import cv2
import numpy as np
import pytest

from api.startup import open_mouthpiece
from runtime.audio import encode_wav
from runtime.faces.counters import counters
from runtime.models import BUNDLED_DIR
from tests.api.conftest import Running
from tests.api.test_animation import film_frames, text
from tests.api.test_contract import throw
from tests.api.toy import wav_bytes
from tests.conftest import tone

SAMPLE = BUNDLED_DIR / "local/sample-avatar.png"
pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(not SAMPLE.is_file(), reason="the networks are not installed"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """One service on the real engine for the whole module."""
    from api.settings import Settings

    settings = Settings(
        data_dir=tmp_path_factory.mktemp("real"),
        max_audio_s=3,
        max_pixels=1 << 20,
        max_upload_bytes=1 << 22,
        face=SAMPLE,
    )
    one = Running(settings, open_engine=open_mouthpiece, seconds=60)
    one.client.timeout = 60
    yield one
    one.stop()


@pytest.fixture(scope="module")
def speech():
    """Half a second of a tone, 16 kHz mono."""
    return encode_wav(tone(0.5))


@pytest.fixture(scope="module")
def portrait():
    """The sample portrait."""
    return SAMPLE.read_bytes()


def test_json_makes_the_default_avatar_speak(real, speech):
    facts = real.client.post("/v1/animation", json={"byte_str": text(speech)}).json()
    assert (facts["frames"], facts["fps"], facts["model"]) == (5, 10.0, "mouthpiece")
    assert facts["cache"] == "hit"
    assert abs(facts["av_offset_ms"]) <= 50
    film = real.client.get(facts["video_url"]).content
    with av.open(io.BytesIO(film)) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}


def test_opeas_stereo_sound_with_a_junk_chunk_is_heard(real):
    wave = 8000 * np.sin(np.arange(24_000) / 24)
    sound = wav_bytes(np.stack([wave, wave], axis=1), rate=48_000, junk=True)
    reply = real.client.post(
        "/v1/wav2lip",
        content=f'{{"audio": "{text(sound)}"}}',
        headers={"content-type": "text/plain"},
    )
    assert reply.json()["wav2lip_result"].endswith("result.mp4")


def test_a_cached_avatar_speaks_without_a_detector_call(real, speech, portrait):
    real.client.post("/cache-avatar", files={"avatar": portrait}, data={"avatar_id": "anna"})
    before = counters.detections
    reply = real.client.post(
        "/v1/animation-with-cache", files={"audio": speech}, data={"avatar_id": "anna"}
    )
    assert film_frames(reply.content) == 5
    again = real.client.post(
        "/cache-avatar", files={"avatar": portrait}, data={"avatar_id": "anna"}
    )
    assert again.json()["avatar_id"] == "anna"
    assert counters.detections == before


def test_forms_sync_bundles_and_thumbnails_work(real, speech, portrait):
    client = real.client
    form = client.post("/v1/animation", files={"audio": speech, "avatar": portrait})
    assert film_frames(form.content) == 5
    assert film_frames(client.post("/sync", files={"video": portrait, "audio": speech}).content) > 0
    client.post("/cache-avatar", files={"avatar": portrait}, data={"avatar_id": "b"})
    bundle = client.get("/v1/avatars/b/bundle").content
    assert client.delete("/v1/avatars/b").status_code == 204
    assert client.post("/v1/avatars/bundle", files={"bundle": bundle}).status_code == 200
    shown = client.get("/v1/avatars/default/thumbnail").content
    small = cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR)
    assert np.asarray(small).shape[0] == 160
    found = client.post("/v1/inspect", files={"file": portrait}).json()
    assert len(found["faces"]) == 1


def refusal(reply):
    return reply.status_code, reply.json()["code"]


def test_a_changed_bundle_is_refused(real, portrait):
    real.client.post("/cache-avatar", files={"avatar": portrait}, data={"avatar_id": "c"})
    bundle = bytearray(real.client.get("/v1/avatars/c/bundle").content)
    bundle[len(bundle) // 2] ^= 1
    reply = real.client.post("/v1/avatars/bundle", files={"bundle": bytes(bundle)})
    assert refusal(reply) == (422, "INPUT_UNREADABLE")


def test_inputs_beyond_the_limits_are_refused(real, speech, portrait):
    files = {"audio": encode_wav(tone(4)), "avatar": portrait}
    assert refusal(real.client.post("/v1/animation", files=files)) == (413, "INPUT_TOO_LARGE")
    files = {"audio": speech, "avatar": bomb(20_000, 20_000)}
    assert refusal(real.client.post("/v1/animation", files=files)) == (413, "INPUT_TOO_LARGE")
    assert refusal(real.client.post("/cache-avatar", files={"avatar": files["avatar"]})) == (
        413,
        "INPUT_TOO_LARGE",
    )
    assert real.client.post("/v1/inspect", files={"file": files["avatar"]}).status_code in {
        200,
        413,
    }


def bomb(width, height):
    """A PNG of few bytes that is huge once decoded."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * width + 1) * 100, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_faceless_and_broken_inputs_are_told_apart(real, speech, portrait):
    wall = cv2.imencode(".png", np.full((128, 128, 3), 120, np.uint8))[1].tobytes()
    cases = [
        ({"audio": speech, "avatar": wall}, (422, "FACE_NOT_FOUND")),
        ({"audio": speech, "avatar": portrait[:3000]}, (422, "INPUT_UNREADABLE")),
        ({"audio": b"RIFF", "avatar": portrait}, (422, "AUDIO_PROCESSING_FAILED")),
        ({"audio": portrait, "avatar": portrait}, (422, "AUDIO_PROCESSING_FAILED")),
        ({"audio": speech, "avatar": speech}, (422, "INPUT_UNREADABLE")),
    ]
    for files, expected in cases:
        reply = real.client.post("/v1/animation", files=files)
        assert refusal(reply) == expected
        # The client's file has no name here; where it lay on the server is nobody's business.
        assert "the uploaded file" in reply.json()["detail"]
        assert "/uploads/" not in reply.text


def test_an_unknown_network_and_avatar_are_named(real, speech):
    body = {"byte_str": base64.b64encode(speech).decode()}
    reply = real.client.post("/v1/animation", json={**body, "model": "absent"})
    assert refusal(reply) == (404, "MODEL_LOAD_FAILED")
    reply = real.client.post("/v1/animation", json={**body, "avatar_id": "nobody"})
    assert refusal(reply) == (404, "FACE_MODEL_NOT_FOUND")


def test_what_this_host_does_is_told(real):
    told = real.client.get("/v1/capabilities").json()
    assert told["precision"] in {"int8", "bf16", "f32"}
    assert told["why"]
    assert any(
        item["name"] == "mouthpiece" for item in real.client.get("/v1/models").json()["items"]
    )


def test_uploads_of_rubbish_are_answered_with_problems(real, portrait):
    throw(real.client, encode_wav(tone(0.1)), portrait)
