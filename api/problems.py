"""The only place where errors get an HTTP status: codes, problem+json bodies, handlers."""

import errno
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from runtime.errors import (
    AudioDecodeError,
    AudioTooLongError,
    AudioTooShortError,
    AvatarCorruptError,
    AvatarError,
    AvatarNotFoundError,
    BusyError,
    CancelledError,
    DeadlineError,
    FaceNotFoundError,
    InputError,
    LimitError,
    ModelError,
    ModelNotFoundError,
    MouthpieceError,
    OptionError,
    OutputError,
    TooLargeError,
    UnsupportedFormatError,
)

MEDIA_TYPE = "application/problem+json"
#: What nginx logs when a client leaves before its answer; nobody receives it.
CLIENT_CLOSED = 499


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue.

    Attributes:
        status: HTTP status unless the place that raises knows better.
        title: Short, the same for every problem of this kind.
        recovery: What the caller can do, most useful first.
    """

    status: int
    title: str
    recovery: tuple[str, ...]


CATALOGUE: Mapping[str, Kind] = {
    "FACE_MODEL_NOT_FOUND": Kind(
        404,
        "No such avatar",
        (
            "Cache it first: POST /cache-avatar with the file and this avatar_id",
            "List what is cached: GET /v1/avatars",
        ),
    ),
    "FACE_MODEL_INCOMPATIBLE": Kind(
        500,
        "The cached avatar cannot be used",
        (
            "Add it again from its source: POST /cache-avatar with the same avatar_id",
            "Check the store: mouthpiece avatar check",
        ),
    ),
    "AUDIO_PROCESSING_FAILED": Kind(
        422,
        "The audio cannot be used",
        (
            "Send a file with sound, such as WAV, MP3, OGG, FLAC or M4A, of at least 50 ms",
            "See what is wrong with it: POST /v1/inspect",
        ),
    ),
    "VIDEO_GENERATION_FAILED": Kind(
        500,
        "The video could not be made",
        ("Try again", "Report it with the request_id; the log of the service has the cause"),
    ),
    "GPU_UNAVAILABLE": Kind(
        422, "There is no GPU here", ("Leave device out, or send device=cpu or device=auto",)
    ),
    "MODEL_LOAD_FAILED": Kind(
        500,
        "The network cannot be used",
        ("List what is installed: GET /v1/models", "Check the files: mouthpiece models verify"),
    ),
    "SYNC_ERROR": Kind(
        500,
        "Sound and picture do not match",
        ("Try again", "Raise MOUTHPIECE_MAX_AV_OFFSET_MS if this offset is acceptable"),
    ),
    "BUFFER_OVERFLOW": Kind(
        503,
        "Too many bytes in flight",
        ("Try again after the Retry-After seconds", "Raise MOUTHPIECE_MAX_INFLIGHT_BYTES"),
    ),
    "TIMEOUT": Kind(
        504,
        "It took too long",
        ("Send shorter audio or a smaller avatar", "Raise MOUTHPIECE_DEADLINE_S"),
    ),
    "FACE_NOT_FOUND": Kind(
        422,
        "No face was found",
        (
            "Send a picture with one clear face that looks at the camera",
            "See what is found: POST /v1/inspect",
            "Name the place of the face: box=top,bottom,left,right",
        ),
    ),
    "INPUT_TOO_LARGE": Kind(
        413,
        "The input is over a limit",
        ("Send less; the detail says how much is allowed", "Raise the limit that it names"),
    ),
    "INPUT_UNREADABLE": Kind(
        422,
        "The input cannot be read",
        ("Check that the file opens elsewhere", "Check that base64 has not been cut or changed"),
    ),
    "UNSUPPORTED_FORMAT": Kind(
        415,
        "This format is not taken here",
        ("Send application/json or multipart/form-data, without Content-Encoding",),
    ),
    "BUSY": Kind(429, "No capacity now", ("Try again after the Retry-After seconds",)),
    "UNAUTHORIZED": Kind(
        401,
        "A valid key is needed",
        ("Send Authorization: Bearer <key> or X-API-Key: <key>",),
    ),
    "NOT_FOUND": Kind(404, "There is nothing here", ("List the routes: GET /openapi.json",)),
    "INVALID_REQUEST": Kind(
        422, "The request is not understood", ("Compare it with /docs or docs/http.md",)
    ),
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A refusal or failure ready to be sent.

    Attributes:
        code: A key of ``CATALOGUE``.
        detail: What was wrong, where, and what was expected.
        status: HTTP status.
        headers: Extra response headers, such as Retry-After.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = CATALOGUE[code].status if status is None else status
        self.headers = dict(headers or {})


def busy(detail: str, *, retry_after_s: float, status: int = 429, code: str = "BUSY") -> Problem:
    """Build a refusal for want of capacity, with Retry-After in whole seconds."""
    wait = str(max(1, math.ceil(retry_after_s)))
    return Problem(code, detail, status=status, headers={"Retry-After": wait})


#: The most derived class that matches wins, so leaves come before their bases.
_CODES: tuple[tuple[type[MouthpieceError], str, int | None], ...] = (
    (FaceNotFoundError, "FACE_NOT_FOUND", None),
    (AudioTooLongError, "INPUT_TOO_LARGE", None),
    (AudioTooShortError, "AUDIO_PROCESSING_FAILED", None),
    (AudioDecodeError, "AUDIO_PROCESSING_FAILED", None),
    (UnsupportedFormatError, "UNSUPPORTED_FORMAT", None),
    (OptionError, "INVALID_REQUEST", None),
    (OutputError, "VIDEO_GENERATION_FAILED", 507),
    (InputError, "INPUT_UNREADABLE", None),
    (AvatarNotFoundError, "FACE_MODEL_NOT_FOUND", None),
    (AvatarCorruptError, "FACE_MODEL_INCOMPATIBLE", None),
    (AvatarError, "FACE_MODEL_INCOMPATIBLE", None),
    (ModelNotFoundError, "MODEL_LOAD_FAILED", 404),
    (ModelError, "MODEL_LOAD_FAILED", None),
    (TooLargeError, "INPUT_TOO_LARGE", None),
    (DeadlineError, "TIMEOUT", None),
    (LimitError, "INPUT_TOO_LARGE", None),
    (CancelledError, "TIMEOUT", CLIENT_CLOSED),
)


def as_problem(error: Exception) -> Problem:
    """Translate any exception into the problem that tells the caller about it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BusyError):
        return busy(str(error), retry_after_s=error.retry_after_s)
    for kind, code, status in _CODES:
        if isinstance(error, kind):
            return Problem(code, str(error), status=status)
    if isinstance(error, ValidationError):
        return Problem("INVALID_REQUEST", describe(error.errors()))
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Problem("VIDEO_GENERATION_FAILED", "the disk of the service is full", status=507)
    return Problem("VIDEO_GENERATION_FAILED", "an unexpected error; the log has the cause")


def describe(errors: Any) -> str:
    """Say in one line what pydantic found wrong, field by field."""
    return "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'body'}: {entry['msg']}" for entry in errors
    )


def response(problem: Problem, request_id: str) -> Response:
    """Render a problem as ``application/problem+json``."""
    kind = CATALOGUE[problem.code]
    body = {
        "type": f"urn:mouthpiece:problem:{problem.code.lower().replace('_', '-')}",
        "title": kind.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "recovery": list(kind.recovery),
        "request_id": request_id,
    }
    headers = {**problem.headers, "X-Problem": problem.code}
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    # Surrogates can arrive in paths and field values; they must not turn a 4xx into a 5xx.
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI, *, uploads_dir: Path) -> None:
    """Make every error of ``app`` leave as problem+json.

    Args:
        app: The application.
        uploads_dir: Where files of requests lie: clients are not told such paths, which are ours.
    """
    uploaded = re.compile(rf"{re.escape(str(uploads_dir))}/[\w./-]*\w")

    async def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        problem.detail = uploaded.sub("the uploaded file", problem.detail)
        return response(problem, request.state.request_id)

    async def answer_http(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, HTTPException) else HTTPException(500)
        return response(_from_http(request, known), request.state.request_id)

    async def answer_invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        problem = Problem("INVALID_REQUEST", describe(found))
        return response(problem, request.state.request_id)

    app.add_exception_handler(Problem, answer)
    app.add_exception_handler(MouthpieceError, answer)
    app.add_exception_handler(ValidationError, answer)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(RequestValidationError, answer_invalid)


def _from_http(request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem("NOT_FOUND", f"no route {request.method} {request.url.path}")
    code = "VIDEO_GENERATION_FAILED" if error.status_code >= 500 else "INVALID_REQUEST"
    return Problem(code, str(error.detail), status=error.status_code, headers=error.headers)
