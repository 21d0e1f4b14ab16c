"""Films over HTTP: forms, JSON, the result cache, and what comes back."""

import base64
import io

import av
import pytest

JSON = {"accept": "application/json"}


def film_frames(content):
    with av.open(io.BytesIO(content), "r") as container:
        return len(list(container.decode(video=0)))


def text(content):
    return base64.b64encode(content).decode()


def test_a_form_with_sound_and_face_gives_the_film(client, sound, picture):
    reply = client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "video/mp4"
    request_id = reply.headers["x-request-id"]
    assert f'filename="avatar_{request_id}.mp4"' in reply.headers["content-disposition"]
    assert film_frames(reply.content) == 3


def test_a_face_under_wav2lips_name_for_it_speaks(service, sound, picture):
    client, engine = service()
    reply = client.post("/v1/animation", files={"audio": sound, "face": picture})
    assert reply.status_code == 200
    assert engine.animations == 1


def test_a_file_under_an_unknown_name_is_refused_not_replaced_by_the_default_face(
    client, sound, picture
):
    reply = client.post("/v1/animation", files={"audio": sound, "portrait": picture})
    assert reply.status_code == 422
    assert reply.json()["code"] == "INVALID_REQUEST"
    assert "portrait: unknown file field, expected" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("accepted", "kind"),
    [
        ("*/*", "video/mp4"),
        ("video/mp4", "video/mp4"),
        ("application/json, text/plain, */*", "video/mp4"),
        ("application/json", "application/json"),
    ],
)
def test_a_form_is_answered_with_json_only_to_who_takes_nothing_else(
    client, sound, picture, accepted, kind
):
    reply = client.post(
        "/v1/animation", files={"audio": sound, "avatar": picture}, headers={"accept": accepted}
    )
    assert reply.headers["content-type"] == kind


@pytest.mark.parametrize("place", ["params", "data"])
def test_fps_and_use_cache_are_taken_from_form_or_query(service, sound, picture, place):
    client, engine = service()
    for _ in range(2):
        reply = client.post(
            "/v1/animation",
            files={"audio": sound, "avatar": picture},
            headers=JSON,
            **{place: {"fps": "20", "use_cache": "false"}},
        )
        assert reply.json()["frames"] == 5
    assert engine.animations == 2


def test_json_tells_where_the_film_is(service, sound, picture, tmp_path):
    client, _ = service()
    reply = client.post("/v1/animation", json={"byte_str": text(sound), "image": text(picture)})
    body = reply.json()
    assert len(body["id"]) == 32
    assert body["video_path"] == str(tmp_path / "data/output" / body["id"] / "result.mp4")
    assert body["cache"] == "miss"
    assert body["silence_motion"] is None
    assert "video" not in body
    assert (body["frames"], body["fps"], body["duration"]) == (3, 10.0, 0.3)
    film = client.get(body["video_url"])
    assert film.headers["content-type"] == "video/mp4"
    assert film_frames(film.content) == 3


def test_json_can_bring_the_film_itself(client, sound, picture):
    body = {"byte_str": text(sound), "image": text(picture), "return": "base64"}
    reply = client.post("/v1/animation", json=body).json()
    assert film_frames(base64.b64decode(reply["video"])) == 3


def test_unknown_json_keys_are_ignored_however_long(client, sound, picture):
    body = {"byte_str": text(sound), "image": text(picture), "note": "A" * 300_000, "n": {"a": [1]}}
    assert client.post("/v1/animation", json=body).status_code == 200


def test_a_second_identical_request_is_answered_from_the_result_cache(service, sound, picture):
    client, engine = service()
    replies = [
        client.post("/v1/animation", files={"audio": sound, "avatar": picture}) for _ in range(2)
    ]
    assert engine.animations == 1
    assert [reply.headers["x-cache"] for reply in replies] == ["miss", "hit"]
    assert replies[0].content == replies[1].content
    assert replies[0].headers["etag"] == replies[1].headers["etag"]


@pytest.mark.parametrize("change", [{"fps": "12"}, {"blend": "hd"}, {"pads": "0 10 0 1"}])
def test_another_option_is_another_result(service, sound, picture, change):
    client, engine = service()
    files = {"audio": sound, "avatar": picture}
    first = client.post("/v1/animation", files=files)
    second = client.post("/v1/animation", files=files, data=change)
    assert engine.animations == 2
    assert first.headers["etag"] != second.headers["etag"]


def test_a_client_that_has_the_film_gets_304(service, sound, picture):
    client, engine = service()
    files = {"audio": sound, "avatar": picture}
    tag = client.post("/v1/animation", files=files).headers["etag"]
    reply = client.post("/v1/animation", files=files, headers={"if-none-match": tag})
    assert (reply.status_code, reply.content) == (304, b"")
    assert engine.animations == 1


def test_a_damaged_cached_result_is_made_again(service, sound, picture, tmp_path):
    client, engine = service()
    files = {"audio": sound, "avatar": picture}
    client.post("/v1/animation", files=files)
    (entry,) = (tmp_path / "data/cache/results").glob("*.result")
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert client.post("/v1/animation", files=files).headers["x-cache"] == "hit"
    assert engine.animations == 2


def test_a_replaced_avatar_never_meets_its_old_results(service, sound, picture):
    client, engine = service()
    for content in (picture, picture + b"another"):
        client.post("/cache-avatar", files={"avatar": content})
        client.post("/v1/animation-with-cache", files={"audio": sound})
    assert engine.animations == 2


def test_a_cached_avatar_speaks_without_any_detection(service, sound, picture):
    client, engine = service()
    client.post("/cache-avatar", files={"avatar": picture}, data={"avatar_id": "anna"})
    before = engine.detections
    reply = client.post(
        "/v1/animation-with-cache", files={"audio": sound}, params={"avatar_id": "anna"}
    )
    assert reply.status_code == 200
    assert reply.headers["x-cache"] == "hit"
    assert engine.detections == before


def test_sync_takes_video_and_audio_and_returns_the_film(client, sound, picture):
    reply = client.post("/sync", files={"video": picture, "audio": sound})
    assert reply.headers["content-type"] == "video/mp4"
    assert film_frames(reply.content) == 3


def test_say_speaks_a_text(client, picture):
    client.post("/cache-avatar", files={"avatar": picture})
    assert client.post("/v1/say", json={"text": "Hello"}).headers["content-type"] == "video/mp4"
    reply = client.post("/v1/say", json={"text": "Hello", "return": "url"}).json()
    assert reply["duration"] == 0.5


def test_results_are_served_in_ranges_and_not_again_to_who_has_them(client, sound, picture):
    url = client.post(
        "/v1/animation", json={"byte_str": text(sound), "image": text(picture)}
    ).json()["video_url"]
    part = client.get(url, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    whole = client.get(url)
    again = client.get(url, headers={"if-none-match": whole.headers["etag"]})
    assert again.status_code == 304


def test_the_gfpgan_mode_stands_for_the_quality_preset(service, sound, picture, monkeypatch):
    client, engine = service(inference_mode="wav2lip+gfpgan")
    seen = []
    animate = engine.animate

    def watched(*args, **kwargs):
        seen.append(args[3])
        return animate(*args, **kwargs)

    engine.animate = watched
    client.post("/v1/animation", files={"audio": sound, "avatar": picture})
    client.post("/v1/animation", files={"audio": sound, "avatar": picture}, data={"preset": "fast"})
    assert [options.preset for options in seen] == ["quality", "fast"]
