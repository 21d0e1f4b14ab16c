"""Describe hand-read bodies and problem answers in OpenAPI."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel

from api.problems import CATALOGUE, MEDIA_TYPE
from api.schemas import ProblemBody

_FILE = {"type": "string", "format": "binary"}

#: Any route may answer with these.
ALWAYS = (400, 401, 405, 422, 431, 500)
#: Routes that read a body and work.
HEAVY = (404, 408, 413, 415, 429, 503, 504, 507)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for the problems that a route may answer with."""
    return {status: _problem(status) for status in sorted({*ALWAYS, *statuses})}


def _problem(status: int) -> dict[str, Any]:
    codes = [code for code, kind in CATALOGUE.items() if kind.status == status]
    return {
        "description": ", ".join(codes) or "INVALID_REQUEST",
        "content": {MEDIA_TYPE: {"schema": _schema(ProblemBody)}},
    }


def video_or(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the 200 response that is a video, or JSON when asked for."""
    return {
        200: {
            "description": "The video, or where it is when `Accept` or `return` asks for JSON",
            "model": model,
            "content": {"video/mp4": {"schema": _FILE}},
        },
        304: {"description": "The result has the ETag of If-None-Match"},
    }


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body."""
    return {"content": {"application/json": {"schema": _schema(model)}}}


def form_body(
    model: type[BaseModel] | None = None,
    *,
    files: Iterable[str],
    optional: Iterable[str] = (),
    only: Iterable[str] = (),
) -> dict[str, Any]:
    """Describe a multipart body.

    Args:
        model: Its plain fields.
        files: Files that must be there.
        optional: Files that may be there.
        only: The fields of the model that this route takes; empty for all.
    """
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    schema = empty if model is None else _schema(model)
    taken = set(only) or set(schema["properties"])
    fields = {name: spec for name, spec in schema["properties"].items() if name in taken}
    required = [*files, *(name for name in schema.get("required", ()) if name in fields)]
    properties = {**dict.fromkeys((*files, *optional), _FILE), **fields}
    whole = {**schema, "properties": properties, "required": required}
    return {"content": {"multipart/form-data": {"schema": whole}}}


def request_body(*bodies: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """Return ``openapi_extra`` for a route that takes any of ``bodies``."""
    content: dict[str, Any] = {}
    for body in bodies:
        content |= body["content"]
    return {"requestBody": {"required": True, "content": content}, **extra}


def query(model: type[BaseModel], *names: str) -> dict[str, Any]:
    """Describe fields of ``model`` that may also come as query parameters."""
    properties = _schema(model)["properties"]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": properties[name]}
            for name in names
        ]
    }


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a model; to be read only. Every route needs some, and each takes milliseconds."""
    return model.model_json_schema()
