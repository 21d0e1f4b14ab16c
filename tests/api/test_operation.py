"""Probes, metrics, logs, cleaning, keys, cross-origin calls."""

import io
import json
import logging
import os
import time

import pytest

from api import logs
from api.folders import HeldFolder, sweep
from api.metrics import STAGES
from api.statistics import percentile
from tests.api.conftest import until
from tests.api.test_animation import text

OLD = ("-1", "48")


def films(client, sound, picture, count=1):
    body = {"byte_str": text(sound), "image": text(picture), "use_cache": False}
    return [client.post("/v1/animation", json=body).json() for _ in range(count)]


def test_metrics_have_the_agreed_names_from_the_start(client):
    shown = client.get("/metrics").text
    for name in (
        "avatar_generations_total",
        "avatar_generation_errors_total",
        "avatar_generation_duration_seconds_bucket",
        "mouthpiece_queue_depth",
        "mouthpiece_jobs_running",
        "mouthpiece_real_time_factor_bucket",
        *(f'mouthpiece_stage_seconds_bucket{{le="+Inf",stage="{stage}"}}' for stage in STAGES),
    ):
        assert name in shown


def test_metrics_count_films_errors_and_routes(service, sound, picture):
    client, _ = service()
    films(client, sound, picture)
    client.post("/v1/animation", json={"byte_str": "###"})
    shown = client.get("/metrics").text
    assert "avatar_generations_total 1.0" in shown
    assert "avatar_generation_errors_total 1.0" in shown
    assert "avatar_generation_duration_seconds_count 1.0" in shown
    assert 'mouthpiece_problems_total{code="INPUT_UNREADABLE"} 1.0' in shown
    assert 'method="POST",route="/v1/animation",status="200"} 1.0' in shown


def test_every_film_is_logged_with_the_guides_events(service, sound, picture):
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("json", "info", stream=stream)
    try:
        client, _ = service()
        body = films(client, sound, picture)[0]
        # The line of a request is written after its answer has left.
        until(lambda: '"request"' in stream.getvalue())
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    by_event = {line["event"]: line for line in lines}
    started, completed = by_event["generation_started"], by_event["generation_completed"]
    assert started["request_id"] == completed["request_id"] == body["id"]
    assert (started["audio_size"], started["avatar_size"]) == (len(sound), len(picture))
    assert completed["duration"] >= 0
    assert completed["output_size"] > 0
    assert by_event["request"]["status"] == 200


def test_text_logs_are_one_line_with_their_fields():
    record = logging.LogRecord("a", logging.WARNING, "", 0, "seen %d", (3,), None)
    record.size = 7
    assert logs.TextFormatter().format(record).endswith("warning seen 3 size=7")


def test_cleanup_deletes_old_results_and_nothing_else(running, sound, picture, tmp_path):
    one = running()
    old, new = films(one.client, sound, picture, 2)
    output = one.service.settings.output_dir
    two_days_ago = time.time() - 48 * 3600
    os.utime(output / old["id"], (two_days_ago, two_days_ago))
    (output / "notes.txt").write_text("the user's own")
    reply = one.client.delete("/cleanup")
    assert reply.json() == {"status": "cleaned", "deleted_files": 1}
    assert sorted(path.name for path in output.iterdir()) == sorted([new["id"], "notes.txt"])


def test_cleanup_never_touches_a_running_request(running, sound, picture):
    one = running()
    one.engine.gate.clear()
    import threading

    replies = []
    body = {"byte_str": text(sound), "image": text(picture)}
    work = threading.Thread(
        target=lambda: replies.append(one.client.post("/v1/animation", json=body))
    )
    work.start()
    one.engine.busy.acquire(timeout=5)
    reply = one.client.delete("/cleanup", params={"older_than_hours": 0})
    one.engine.gate.set()
    work.join()
    assert reply.json()["deleted_files"] == 0
    assert one.client.get(replies[0].json()["video_url"]).status_code == 200
    again = one.client.delete("/cleanup", params={"older_than_hours": 0})
    assert again.json()["deleted_files"] == 1


def test_a_held_folder_survives_until_its_holder_is_gone(tmp_path):
    held, left = HeldFolder(tmp_path), HeldFolder(tmp_path)
    for folder in (held, left):
        (folder.path / "file").write_text("x")
    left.release(keep=True)
    assert sweep(tmp_path, older_than_s=0) == 1
    assert held.path.is_dir()
    held.release(keep=False)
    assert not held.path.exists()


def test_uploads_of_a_killed_process_are_removed_at_start(running, settings):
    left = settings().uploads_dir / ("0" * 32)
    left.mkdir(parents=True)
    (left / "000").write_bytes(b"upload")
    running()
    assert not left.exists()


@pytest.mark.parametrize("header", [{"authorization": "Bearer right"}, {"x-api-key": "also"}])
def test_a_valid_key_opens_everything(service, header):
    client, _ = service(api_keys="right,also")
    assert client.get("/v1/avatars", headers=header).status_code == 200


def test_probes_need_no_key(service):
    client, _ = service(api_keys="right")
    for path in ("/livez", "/readyz", "/health", "/v1/health", "/v1/health_check", "/"):
        assert client.get(path).status_code == 200
    for path in ("/metrics", "/v1/statistics", "/v1/avatars", "/v1/models"):
        assert client.get(path).status_code == 401


def test_bearer_none_is_no_key_and_no_obstacle(client):
    reply = client.get("/v1/avatars", headers={"authorization": "Bearer None"})
    assert reply.status_code == 200


def test_other_origins_may_call_only_when_named(service):
    client, _ = service(cors_origins="https://a.example")
    allowed = client.get("/livez", headers={"origin": "https://a.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    other = client.get("/livez", headers={"origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_broken_default_avatar_stops_the_start(running, faceless, tmp_path):
    face = tmp_path / "wall.png"
    face.write_bytes(faceless)
    one = running(wait=False, face=face)
    until(lambda: one.service.readiness.failure is not None)
    reply = one.client.get("/readyz")
    assert reply.status_code == 503
    assert "no face" in reply.json()["detail"]


def test_the_console_and_the_description_are_served(client):
    assert "<title>" in client.get("/").text
    described = client.get("/openapi.json").json()
    assert "/v1/animation" in described["paths"]
    film = described["paths"]["/v1/animation"]["post"]
    assert set(film["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert {"400", "401", "404", "413", "415", "422", "429", "503", "504"} <= set(film["responses"])


def test_percentiles_interpolate():
    assert percentile([], 0.5) is None
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentile([0.0, 10.0], 0.25) == 2.5


def test_a_default_avatar_of_another_version_gives_way_to_the_sample(
    service, picture, sound, tmp_path, monkeypatch, caplog
):
    sample = tmp_path / "sample.png"
    sample.write_bytes(picture)
    monkeypatch.setattr("api.startup.sample_avatar", lambda settings: sample)
    _, engine = service()
    (engine.avatars.root / "default.avatar").write_text("of long ago")
    client, _ = service(sample_avatar=True)
    assert client.post("/v1/animation-with-cache", files={"audio": sound}).status_code == 200
    assert "default.avatar is damaged" in caplog.text


def test_a_default_avatar_that_cannot_be_read_does_not_stop_a_service_that_is_ready(
    service, sound, caplog
):
    _, engine = service()
    (engine.avatars.root / "default.avatar").write_text("of long ago")
    client, _ = service()
    until(lambda: "the rehearsal failed" in caplog.text)
    assert client.get("/readyz").status_code == 200
