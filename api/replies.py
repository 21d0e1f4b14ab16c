"""Turn finished work into answers: the film itself, or where it is."""

import base64
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.context import Service, service_of
from api.folders import HeldFolder
from api.generation import Made, etag
from api.problems import Problem
from api.results import VIDEO_NAME, publish
from api.schemas import AnimationFields, AnimationReply

#: A longer film does not belong into a JSON string; it has an address.
MAX_BASE64_BYTES = 64 << 20


class FilmResponse(FileResponse):
    """Sends a film, then lets go of its folder."""

    def __init__(self, made: Made, request_id: str) -> None:
        super().__init__(
            made.video,
            media_type="video/mp4",
            filename=f"avatar_{request_id}.mp4",
            headers={"X-Cache": "miss" if made.cached == "nothing" else "hit"},
        )
        self.headers["ETag"] = etag(made.key)
        self._folder: HeldFolder = made.folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._folder.release(keep=True)


def wants_json(request: Request, fields: AnimationFields) -> bool:
    """Say whether a client that could get the film itself prefers JSON."""
    accepted = request.headers.get("accept", "").lower()
    # Libraries that accept JSON beside anything else, as axios does, have not chosen it.
    takes_film = "video/" in accepted or "*/*" in accepted
    return ("application/json" in accepted and not takes_film) or (
        "returns" in fields.model_fields_set
    )


def not_modified() -> Response:
    """Tell the client that it has this film."""
    return Response(status_code=304)


async def as_json(request: Request, made: Made, fields: AnimationFields) -> Response:
    """Tell where the film is, and what it is."""
    service = service_of(request)
    try:
        path = await published(service, made)
        film = await service.step(lambda: _text(made.video)) if fields.returns == "base64" else None
    finally:
        made.folder.release(keep=True)
    facts = made.facts
    reply = AnimationReply(
        id=made.folder.name,
        job_id=made.folder.name,
        video_path=str(path),
        video_url=f"{base_url(request)}/v1/results/{made.folder.name}/{VIDEO_NAME}",
        duration=facts.duration_s,
        frames=facts.frames,
        fps=facts.fps,
        model=facts.model,
        precision=facts.precision,
        blend=facts.blend,
        cache="miss" if made.cached == "nothing" else "hit",
        cached=made.cached,
        av_offset_ms=facts.av_offset_ms,
        silence_motion=facts.silence_motion,
        missing_face=list(facts.missing_face),
        warnings=list(facts.warnings),
        video=film,
    )
    body = plain(reply.model_dump(exclude={"video"} if film is None else None))
    return JSONResponse(body, headers={"ETag": etag(made.key)})


async def published(service: Service, made: Made) -> Path:
    """Publish a film as OUTFILE when that is set, and return the path to tell clients."""
    outfile = service.settings.outfile
    if outfile is None:
        return made.video.absolute()
    await service.step(lambda: publish(made.video, outfile))
    return outfile


def base_url(request: Request) -> str:
    """Return the start of this service's addresses, without a slash at the end."""
    return str(service_of(request).settings.public_url or request.base_url).rstrip("/")


def _text(film: Path) -> str:
    if film.stat().st_size > MAX_BASE64_BYTES:
        raise Problem(
            "INPUT_TOO_LARGE",
            f"the film is over {MAX_BASE64_BYTES} bytes: ask for return=url and fetch it",
        )
    return base64.b64encode(film.read_bytes()).decode()


def plain(value: Any) -> Any:
    """Turn dataclasses, paths, arrays and bytes into what JSON has; NaN becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
