"""The whole OpenAPI document, and uploads of every kind of rubbish: never a 5xx, always a problem.

The number of cases grows with ``MOUTHPIECE_FUZZ_CASES``, for example 2000.
"""

import json
import os

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings as hypothesis, strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.test_animation import text

CASES = int(os.environ.get("MOUTHPIECE_FUZZ_CASES", "60"))
PER_ROUTE = max(3, CASES // 20)
RELAXED = hypothesis(
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_every_route_keeps_its_description(client):
    described = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    failures = []
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @given(case=operation.as_strategy())
        @hypothesis(RELAXED, max_examples=PER_ROUTE)
        def check(case):
            case.call_and_validate(checks=CHECKS)

        try:
            check()
        except (AssertionError, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)


UPLOADS = """
    /v1/animation /v1/animation-with-cache /cache-avatar /sync /v1/inspect /v1/say /v1/wav2lip
    /v1/avatars/bundle
"""
ROUTES = st.sampled_from(UPLOADS.split())
NAMES = st.sampled_from(["audio", "avatar", "video", "file", "bundle", "byte_str", "image", "text"])


@st.composite
def rubbish(draw, sound, picture):
    """A file: good, cut, changed, or noise."""
    content = draw(st.sampled_from([sound, picture]))
    kind = draw(st.sampled_from(["good", "cut", "flipped", "noise", "joined"]))
    if kind == "good":
        return content
    if kind == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if kind == "noise":
        return draw(st.binary(max_size=2000))
    if kind == "joined":
        return content + draw(st.binary(max_size=100))
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]


@st.composite
def bodies(draw, sound, picture):
    """Body and headers of a request: forms, JSON, and damaged ones."""
    files = draw(st.dictionaries(NAMES, rubbish(sound, picture), max_size=3))
    fields = draw(
        st.dictionaries(
            st.sampled_from(["fps", "avatar_id", "pads", "box", "blend", "return", "use_cache"]),
            st.one_of(st.text(max_size=20), st.integers().map(str), st.floats().map(str)),
            max_size=3,
        )
    )
    if draw(st.booleans()):
        built = httpx.Request("POST", "http://x", files=files or {"x": b""}, data=fields)
        body, kind = built.read(), built.headers["content-type"]
    else:
        values = {
            name: draw(st.sampled_from([text(v), v.hex(), 5, None])) for name, v in files.items()
        }
        body, kind = json.dumps({**fields, **values}).encode(), "application/json"
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=8)) + body[at + draw(st.integers(0, 40)) :]
    return body, draw(
        st.sampled_from([kind, kind, kind, "text/plain", "", "a/b", "multipart/form-data"])
    )


def throw(client, sound, picture):
    """Send rubbish made of good files and look at every answer."""

    @given(route=ROUTES, sent=bodies(sound, picture))
    @hypothesis(RELAXED, max_examples=CASES)
    def upload(route, sent):
        body, kind = sent
        reply = client.post(route, content=body, headers={"content-type": kind})
        assert reply.status_code < 500, reply.text
        if reply.status_code >= 400:
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["code"]

    upload()


def test_uploads_of_rubbish_are_answered_with_problems(client, sound, picture):
    throw(client, sound, picture)
