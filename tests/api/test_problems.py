"""Every code of the catalogue, provoked over HTTP."""

import base64
import errno
import socket
import threading
import time

import pytest

from api.problems import CATALOGUE
from tests.api.conftest import until
from tests.api.test_animation import text


def assert_problem(reply, code, status):
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert (body["code"], body["status"], reply.status_code) == (code, status, status)
    assert set(body) == {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "recovery",
        "request_id",
    }
    assert body["recovery"]
    assert body["request_id"] == reply.headers["x-request-id"]
    return body


AGREED = """
    FACE_MODEL_NOT_FOUND FACE_MODEL_INCOMPATIBLE AUDIO_PROCESSING_FAILED VIDEO_GENERATION_FAILED
    GPU_UNAVAILABLE MODEL_LOAD_FAILED SYNC_ERROR BUFFER_OVERFLOW TIMEOUT FACE_NOT_FOUND
    INPUT_TOO_LARGE INPUT_UNREADABLE UNSUPPORTED_FORMAT BUSY UNAUTHORIZED NOT_FOUND INVALID_REQUEST
"""


def test_the_catalogue_has_the_agreed_codes():
    assert set(CATALOGUE) == set(AGREED.split())


def test_face_model_not_found(client, sound):
    reply = client.post(
        "/v1/animation-with-cache", files={"audio": sound}, data={"avatar_id": "nobody"}
    )
    assert "nobody" in assert_problem(reply, "FACE_MODEL_NOT_FOUND", 404)["detail"]


def test_face_model_incompatible_when_the_stored_avatar_is_damaged(service, sound, picture):
    client, engine = service()
    client.post("/cache-avatar", files={"avatar": picture})
    path = engine.avatars.show("default").path
    path.write_bytes(path.read_bytes()[:-5])
    reply = client.post("/v1/animation-with-cache", files={"audio": sound})
    assert_problem(reply, "FACE_MODEL_INCOMPATIBLE", 500)
    client.post("/cache-avatar", files={"avatar": picture})
    assert client.post("/v1/animation-with-cache", files={"audio": sound}).status_code == 200


def test_audio_processing_failed(client, picture):
    reply = client.post("/v1/animation", files={"audio": b"not a sound", "avatar": picture})
    assert_problem(reply, "AUDIO_PROCESSING_FAILED", 422)


def test_video_generation_failed_hides_the_cause_and_logs_it(service, sound, picture, caplog):
    client, engine = service()
    engine.breaks = ZeroDivisionError("a secret path")
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "VIDEO_GENERATION_FAILED", 500)
    assert "secret" not in reply.text
    assert "a secret path" in caplog.text


def test_a_full_disk_is_told_as_such(service, sound, picture):
    client, engine = service()
    engine.breaks = OSError(errno.ENOSPC, "no space left on device")
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "VIDEO_GENERATION_FAILED", 507)


def test_gpu_unavailable_when_a_gpu_is_insisted_on(client, sound, picture):
    files = {"audio": sound, "avatar": picture}
    reply = client.post("/v1/animation", files=files, data={"device": "cuda"})
    assert_problem(reply, "GPU_UNAVAILABLE", 422)


def test_model_load_failed(client, sound, picture):
    files = {"audio": sound, "avatar": picture}
    reply = client.post("/v1/animation", files=files, data={"model": "absent"})
    assert_problem(reply, "MODEL_LOAD_FAILED", 404)
    reply = client.post("/v1/animation", files=files, data={"model": "mismatched"})
    assert_problem(reply, "MODEL_LOAD_FAILED", 500)


def test_sync_error_leaves_no_result(service, sound, picture, tmp_path):
    client, engine = service()
    engine.av_offset_ms = 80.0
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "SYNC_ERROR", 500)
    assert not list((tmp_path / "data/output").iterdir())


def test_buffer_overflow_tells_when_to_come_back(service, sound, picture):
    client, _ = service(max_inflight_bytes=1000)
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "BUFFER_OVERFLOW", 503)
    assert int(reply.headers["retry-after"]) > 0


def test_timeout_when_the_deadline_passes_stops_the_work(service, sound, picture):
    client, engine = service(deadline_s=0.3)
    engine.gate.clear()
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "TIMEOUT", 504)
    until(lambda: engine.cancelled == 1)


def test_timeout_when_the_body_does_not_arrive(running):
    one = running(upload_timeout_s=0.2)
    host, port = one.socket.getsockname()
    with socket.create_connection((host, port)) as slow:
        slow.sendall(
            b"POST /v1/animation HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        reply = slow.makefile("rb").read(12)
    assert reply == b"HTTP/1.1 408"


def test_face_not_found(client, sound, faceless):
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": faceless})
    assert_problem(reply, "FACE_NOT_FOUND", 422)


@pytest.mark.parametrize("field", ["audio", "avatar"])
def test_input_too_large_for_one_file(service, sound, picture, field):
    client, _ = service(max_upload_bytes=10_000)
    files = {"audio": sound, "avatar": picture, field: sound * 3}
    body = assert_problem(client.post("/v1/animation", files=files), "INPUT_TOO_LARGE", 413)
    assert field in body["detail"]


def test_input_too_large_in_base64(service, sound):
    client, _ = service(max_upload_bytes=10_000)
    for content in (sound * 2, sound * 20):
        reply = client.post("/v1/animation", json={"byte_str": text(content)})
        assert_problem(reply, "INPUT_TOO_LARGE", 413)


def test_input_too_large_when_declared_and_when_chunked(service):
    client, _ = service(max_upload_bytes=1000)
    headers = {"content-type": "application/json"}
    declared = client.post("/v1/animation", content=b" " * 5000, headers=headers)
    assert_problem(declared, "INPUT_TOO_LARGE", 413)
    chunked = client.post("/v1/animation", content=iter([b" " * 900] * 6), headers=headers)
    assert_problem(chunked, "INPUT_TOO_LARGE", 413)


def test_input_too_large_when_the_sound_is_too_long(service, sound, picture):
    client, _ = service(max_audio_s=0.1)
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert_problem(reply, "INPUT_TOO_LARGE", 413)


def test_input_too_large_when_the_text_is_too_long(service):
    client, _ = service(max_text_chars=10)
    assert_problem(client.post("/v1/say", json={"text": "a" * 11}), "INPUT_TOO_LARGE", 413)


@pytest.mark.parametrize(
    "broken", ["####", "QUJD=QUJD", "QUJDR", "", "=", "data:,", "QUJ\\u0000D", "é" * 8]
)
def test_input_unreadable_when_base64_is_damaged(client, broken):
    reply = client.post("/v1/animation", json={"byte_str": broken})
    assert_problem(reply, "INPUT_UNREADABLE", 422)


def test_input_unreadable_when_long_base64_is_damaged(client):
    for broken in ("A" * 200_001 + "#", "A" * 99_999 + "=" + "A" * 100_000):
        reply = client.post("/v1/animation", json={"byte_str": broken})
        assert_problem(reply, "INPUT_UNREADABLE", 422)


def test_input_unreadable_when_the_avatar_is_no_picture(client, sound):
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": b"GIF89a?"})
    assert_problem(reply, "INPUT_UNREADABLE", 422)
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": b""})
    assert_problem(reply, "INPUT_UNREADABLE", 422)


def test_unsupported_format(client, sound):
    for headers in (
        {"content-type": "audio/wav"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        reply = client.post("/v1/animation", content=sound, headers=headers)
        assert_problem(reply, "UNSUPPORTED_FORMAT", 415)


def test_busy_when_the_queue_is_full_and_when_not_ready(running, service, sound, picture):
    client, engine = service(concurrent_jobs=1, queue_length=0)
    engine.gate.clear()
    files = {"audio": sound, "avatar": picture}
    first = threading.Thread(target=lambda: client.post("/v1/animation", files=files))
    first.start()
    engine.busy.acquire(timeout=5)
    reply = client.post("/v1/animation", files=files)
    engine.gate.set()
    first.join()
    assert_problem(reply, "BUSY", 429)
    assert int(reply.headers["retry-after"]) > 0

    def slow(engine):
        time.sleep(0.3)

    starting = running(wait=False, prepare=slow)
    assert starting.client.get("/livez").status_code == 200
    for reply in (
        starting.client.get("/readyz"),
        starting.client.post("/v1/animation", files=files),
    ):
        assert_problem(reply, "BUSY", 503)
        assert reply.headers["retry-after"]


def test_unauthorized(service):
    client, _ = service(api_keys="right,also-right")
    for headers in (
        {},
        {"authorization": "Bearer None"},
        {"authorization": "Bearer wrong"},
        {"x-api-key": "wrong"},
        {"authorization": "Basic right"},
    ):
        reply = client.get("/v1/avatars", headers=headers)
        assert_problem(reply, "UNAUTHORIZED", 401)
        assert reply.headers["www-authenticate"] == "Bearer"


def test_not_found(client):
    assert_problem(client.get("/v1/nothing"), "NOT_FOUND", 404)
    assert_problem(client.get(f"/v1/results/{'0' * 32}/result.mp4"), "NOT_FOUND", 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 422),
        (b'{"byte_str": NaN}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' + b"9" * 5000 + b"}", 400),
        (b'{"byte_str": 5}', 422),
        (b"\xff\xfe", 400),
        (b"", 400),
    ],
)
def test_invalid_request_when_json_is_wrong(client, body, status):
    reply = client.post("/v1/animation", content=body, headers={"content-type": "application/json"})
    assert_problem(reply, "INVALID_REQUEST", status)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary=" + "x" * 300, b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\ncut',
        ),
    ],
)
def test_invalid_request_when_the_form_is_wrong(client, kind, body):
    reply = client.post("/v1/animation", content=body, headers={"content-type": kind})
    assert_problem(reply, "INVALID_REQUEST", 400)


@pytest.mark.parametrize(
    "fields",
    [
        {"fps": "0"},
        {"fps": "nan"},
        {"fps": "a"},
        {"blend": "x"},
        {"pads": "1 2 3"},
        {"box": "0 0 0 0"},
        {"avatar_id": "../../etc/passwd"},
        {"avatar_id": ".hidden"},
        {"use_cache": "perhaps"},
    ],
)
def test_invalid_request_when_an_option_is_wrong(client, sound, picture, fields):
    files = {"audio": sound, "avatar": picture}
    reply = client.post("/v1/animation", files=files, data=fields)
    assert_problem(reply, "INVALID_REQUEST", 422)


def test_invalid_request_for_wrong_methods_and_query(client):
    assert_problem(client.delete("/v1/animation"), "INVALID_REQUEST", 405)
    assert_problem(client.get("/v1/avatars", params={"limit": "-1"}), "INVALID_REQUEST", 422)


def test_absurd_headers_are_refused(client):
    many = {f"x-{number}": "1" for number in range(200)}
    assert_problem(client.get("/livez", headers=many), "INPUT_TOO_LARGE", 431)
    assert_problem(client.get("/livez", headers={"x": "a" * 20_000}), "INPUT_TOO_LARGE", 431)


def test_urls_are_not_fetched_unless_allowed(client, sound):
    body = {"byte_str": base64.b64encode(sound).decode(), "image": "http://example.org/a.png"}
    reply = client.post("/v1/animation", json=body)
    assert "MOUTHPIECE_ALLOW_URLS" in assert_problem(reply, "INVALID_REQUEST", 422)["detail"]
