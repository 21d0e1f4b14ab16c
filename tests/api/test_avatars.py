"""The avatar store over HTTP."""

import cv2
import numpy as np
import pytest


def cached(client, picture, name="anna"):
    return client.post("/cache-avatar", files={"avatar": picture}, data={"avatar_id": name})


def test_caching_answers_as_the_cpu_guide_says(service, picture):
    client, engine = service()
    body = cached(client, picture).json()
    assert (body["status"], body["avatar_id"]) == ("cached", "anna")
    assert body["path"] == str(engine.avatars.show("anna").path)
    assert {"faces", "frames", "seconds"} <= set(body)


def test_the_name_may_come_as_query_or_not_at_all(service, picture):
    client, _ = service()
    files = {"avatar": picture}
    named = client.post("/cache-avatar", files=files, params={"avatar_id": "bob"})
    assert named.json()["avatar_id"] == "bob"
    assert client.post("/cache-avatar", files=files).json()["avatar_id"] == "default"


def test_caching_the_same_file_again_does_no_work(service, picture):
    client, engine = service()
    assert [cached(client, picture).status_code for _ in range(3)] == [200] * 3
    assert engine.detections == 1


def test_lists_are_sorted_and_paged(service, picture):
    client, _ = service()
    for name in ("c", "a", "b"):
        cached(client, picture, name)
    page = client.get("/v1/avatars", params={"limit": 2, "offset": 1}).json()
    assert [item["avatar_id"] for item in page["items"]] == ["b", "c"]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 1)


def test_a_removed_avatar_is_gone(service, picture):
    client, _ = service()
    cached(client, picture)
    assert client.delete("/v1/avatars/anna").status_code == 204
    assert client.get("/v1/avatars/anna").status_code == 404
    assert client.delete("/v1/avatars/anna").status_code == 404


def test_an_exported_avatar_can_be_imported_elsewhere(service, picture):
    client, _ = service()
    cached(client, picture)
    bundle = client.get("/v1/avatars/anna/bundle")
    assert 'filename="anna.avatar"' in bundle.headers["content-disposition"]
    client.delete("/v1/avatars/anna")
    imported = client.post("/v1/avatars/bundle", files={"bundle": bundle.content})
    assert imported.json()["avatar_id"] == "anna"
    assert client.get("/v1/avatars/anna").status_code == 200


def test_a_damaged_bundle_is_the_clients_fault(client):
    reply = client.post("/v1/avatars/bundle", files={"bundle": b"{"})
    assert (reply.status_code, reply.json()["code"]) == (422, "INPUT_UNREADABLE")


def test_a_thumbnail_is_a_small_jpeg(service, picture):
    client, _ = service()
    cached(client, picture)
    reply = client.get("/v1/avatars/anna/thumbnail")
    assert reply.headers["content-type"] == "image/jpeg"
    shown = np.asarray(cv2.imdecode(np.frombuffer(reply.content, np.uint8), cv2.IMREAD_COLOR))
    assert shown.shape == (160, 200, 3)


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fx", "a%00b", "a" * 65, ".hidden", "a b", "ü"])
def test_names_that_are_no_names_are_refused(client, name):
    for path in ("", "/bundle", "/thumbnail"):
        assert client.get(f"/v1/avatars/{name}{path}").status_code in {404, 422}
    assert client.delete(f"/v1/avatars/{name}").status_code in {404, 405, 422}


def test_inspect_tells_what_is_in_a_file(client, picture, sound):
    found = client.post("/v1/inspect", files={"file": picture}).json()
    assert found["faces"] == [{"id": 0, "box": [1, 2, 3, 4]}]
    assert client.post("/v1/inspect", files={"file": sound}).json()["audio_s"] == 0.25


def test_models_and_capabilities_are_told(client):
    found = client.get("/v1/models").json()
    assert found["default"] == "toy"
    assert found["items"][0]["licence"] == "Apache-2.0"
    assert found["items"][0]["sha256"] == {"f32": "0" * 64}
    told = client.get("/v1/capabilities").json()
    assert (told["why"], told["gpu"]) == ("toy", False)
    assert told["limits"]["concurrent_jobs"] == 2


def test_a_folder_of_avatars_is_cached_at_start(service, picture, faceless, tmp_path, caplog):
    folder = tmp_path / "avatars"
    folder.mkdir()
    (folder / "default_male.png").write_bytes(picture)
    (folder / "wall.png").write_bytes(faceless)
    (folder / ".DS_Store").write_bytes(b"")
    client, _ = service(preload_dir=folder)
    names = [item["avatar_id"] for item in client.get("/v1/avatars").json()["items"]]
    assert "default_male" in names
    assert "wall" not in names
    assert "avatar_not_cached" in caplog.text
