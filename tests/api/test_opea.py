"""The service as OPEA's own programs call it, and as its own tests judge it."""

import base64
import json

import numpy as np
import pytest

from tests.api.toy import wav_bytes


@pytest.fixture(scope="module")
def stereo():
    """Sound as in OPEA's sample: 48 kHz, two channels, a 28-byte JUNK chunk before fmt."""
    wave = 8000 * np.sin(np.arange(12_000) / 24)
    return wav_bytes(np.stack([wave, wave], axis=1), rate=48_000, junk=True)


def prepared(picture):
    return lambda engine: engine.avatars.put("default", "0" * 64)


def orchestrator(client, url, inputs):
    """Call a service as AvatarChatbot's orchestrator does; return what its megaservice returns."""
    reply = client.post(
        url,
        content=json.dumps(inputs),
        headers={"Content-type": "application/json", "Authorization": "Bearer None"},
    )
    assert reply.headers["content-type"] != "audio/wav"
    body = reply.json()
    assert "downstream_black_list" not in body
    return body["video_path"]


def test_the_orchestrator_gets_a_video_path(service, stereo, picture):
    client, _ = service(prepare=prepared(picture))
    spoken = {"byte_str": base64.b64encode(stereo).decode()}
    assert orchestrator(client, "/v1/animation", spoken).endswith("result.mp4")


def test_the_microservice_sends_json_as_text_plain(service, stereo, picture):
    client, _ = service(prepare=prepared(picture))
    body = json.dumps({"audio": base64.b64encode(stereo).decode(), "max_tokens": 64})
    reply = client.post("/v1/wav2lip", content=body, headers={"content-type": "text/plain"})
    assert reply.json()["wav2lip_result"].endswith("result.mp4")


def test_a_form_type_does_not_matter_for_wav2lip(service, stereo, picture):
    client, _ = service(prepare=prepared(picture))
    body = json.dumps({"audio": base64.b64encode(stereo).decode()})
    for kind in ("application/octet-stream", "multipart/form-data", "application/json"):
        reply = client.post("/v1/wav2lip", content=body, headers={"content-type": kind})
        assert reply.status_code == 200


def test_outfile_is_published_and_named_as_the_video_path(service, stereo, picture, tmp_path):
    outfile = tmp_path / "result.mp4"
    client, _ = service(prepare=prepared(picture), outfile=outfile)
    spoken = {"byte_str": base64.b64encode(stereo).decode()}
    assert orchestrator(client, "/v1/animation", spoken) == str(outfile)
    assert outfile.read_bytes()[4:8] == b"ftyp"
    reply = client.post("/v1/wav2lip", json={"audio": spoken["byte_str"], "fps": 20})
    assert reply.json() == {"wav2lip_result": str(outfile)}
    assert not list(tmp_path.glob(".*.part"))


def test_face_is_cached_before_the_service_is_ready(service, stereo, picture, tmp_path):
    face = tmp_path / "avatar1.png"
    face.write_bytes(picture)
    client, engine = service(face=face)
    assert client.get("/readyz").json() == {"status": "ready"}
    assert engine.detections == 1
    orchestrator(client, "/v1/animation", {"byte_str": base64.b64encode(stereo).decode()})
    assert engine.detections == 1


def test_audio_replaces_the_first_sound_only(service, stereo, picture, tmp_path):
    ours = tmp_path / "ours.wav"
    ours.write_bytes(wav_bytes(np.ones(32_000)))
    client, _ = service(prepare=prepared(picture), audio=ours, outfile=tmp_path / "o.mp4")
    sizes = []
    for _ in range(2):
        client.post("/v1/wav2lip", json={"audio": base64.b64encode(stereo).decode()})
        sizes.append((tmp_path / "o.mp4").stat().st_size)
    assert sizes[0] > sizes[1]


def test_missing_sound_is_422_as_fastapi_answers(service, picture):
    client, _ = service(prepare=prepared(picture))
    for url in ("/v1/animation", "/v1/wav2lip"):
        reply = client.post(url, json={})
        assert (reply.status_code, reply.json()["code"]) == (422, "INVALID_REQUEST")


def test_health_routes_are_those_of_every_opea_service(client):
    assert (client.get("/v1/health").status_code, client.get("/v1/health").content) == (200, b"")
    check = client.get("/v1/health_check").json()
    assert check["Service Title"] == "opea_service@animation"
    assert set(check) == {"Service Title", "Version", "Service Description"}
    assert client.get("/health").json() == {
        "status": "healthy",
        "service": "wav2lip-cpu",
        "checkpoint": "toy",
    }


def test_statistics_are_null_until_there_is_a_film(service, stereo, picture):
    client, _ = service(prepare=prepared(picture))
    before = client.get("/v1/statistics").json()["opea_service@animation"]
    assert set(before.values()) == {None}
    orchestrator(client, "/v1/animation", {"byte_str": base64.b64encode(stereo).decode()})
    after = client.get("/v1/statistics").json()["opea_service@animation"]
    assert 0 < after["p50_latency"] <= after["p99_latency"]
    assert after["average_latency"] > 0
    assert after["p50_latency_first_token"] is None


def test_both_of_opeas_ports_can_be_listened_on(settings):
    found = settings(port=8080, extra_ports="9066,7860", wav2lip_port=7860, animation_port=9066)
    assert found.ports == (8080, 9066, 7860)


def test_opeas_environment_is_understood(monkeypatch):
    from api.settings import Settings

    given = {
        "DEVICE": "hpu",
        "WAV2LIP_PORT": "7860",
        "ANIMATION_PORT": "9066",
        "INFERENCE_MODE": "wav2lip+gfpgan",
        "CHECKPOINT_PATH": "/models/wav2lip_gan.pth",
        "FACE": "/a/avatar1.jpg",
        "AUDIO": "None",
        "OUTFILE": "/outputs/result.mp4",
        "FACESIZE": "96",
        "FPS": "10",
        "GFPGAN_MODEL_VERSION": "1.4",
        "UPSCALE_FACTOR": "1",
        "CACHE_ENABLED": "true",
        "LOGFLAG": "True",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = Settings()
    assert (found.device, found.inference_mode, found.fps) == ("hpu", "wav2lip+gfpgan", 10)
    assert (found.audio, str(found.face), str(found.outfile)) == (
        None,
        "/a/avatar1.jpg",
        "/outputs/result.mp4",
    )
    assert (found.cache_enabled, found.logflag) == (True, True)
    assert found.ports[1:] == (7860, 9066)


def test_opeas_own_face_and_outfile_need_not_exist(service, stereo, tmp_path, monkeypatch, picture):
    sample = tmp_path / "sample.png"
    sample.write_bytes(picture)
    monkeypatch.setattr("api.startup.sample_avatar", lambda settings: sample)
    outfile = tmp_path / "home/user/comps/animation/src/assets/outputs/result.mp4"
    face = "/home/user/comps/animation/src/assets/img/avatar1.jpg"
    client, _ = service(face=face, outfile=outfile)
    spoken = {"byte_str": base64.b64encode(stereo).decode()}
    assert orchestrator(client, "/v1/animation", spoken) == str(outfile)


def test_checkpoint_path_selects_the_network_made_from_it(settings, tmp_path, caplog):
    from api.startup import with_checkpoint

    (tmp_path / "models").mkdir()
    for ending in ("xml", "bin"):
        (tmp_path / f"models/wav2lip-gan.{ending}").write_text("")
    path = "/Wav2Lip/checkpoints/wav2lip_gan.pth"
    models = tmp_path / "models"
    found = with_checkpoint(settings(checkpoint_path=path, models_dir=models))
    assert found.model == "wav2lip-gan"
    absent = with_checkpoint(settings(checkpoint_path=path))
    assert (absent.model, absent.checkpoint_path) == (None, None)
    assert "CHECKPOINT_PATH" in caplog.text
