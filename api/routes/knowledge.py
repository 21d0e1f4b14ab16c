"""Questions that make no film: what is in a file, which networks there are, what this host does."""

from typing import Any

from fastapi import APIRouter, Request

from api.context import service_of, visit
from api.engine import Engine
from api.openapi import HEAVY, form_body, problems, request_body
from api.replies import plain
from runtime.errors import ModelNotFoundError

router = APIRouter()


@router.post(
    "/v1/inspect",
    summary="Look into a file",
    tags=["avatars"],
    responses=problems(*HEAVY),
    openapi_extra=request_body(form_body(files=["file"])),
)
async def inspect(request: Request) -> dict[str, Any]:
    """Tell faces, rates, loudness and what would go wrong, before any work."""
    async with visit(request) as guest:
        names = ("file", "avatar", "image", "video", "audio")
        sent = await guest.read(*names)
        file = sent.file(*names)
        found: dict[str, Any] = plain(await guest.run(lambda _: guest.engine.inspect(file.path)))
        # Where the upload lay for a moment means nothing to anyone.
        found.pop("source", None)
        return found


@router.get("/v1/models", summary="List networks", tags=["models"], responses=problems(503))
async def models(request: Request) -> dict[str, Any]:
    """List the networks with their licence; a digest for each precision that is installed."""
    service = service_of(request)
    engine = service.ready_engine()
    listed = await service.step(lambda: _models(engine))
    return {"default": service.settings.model or engine.models.default(), "items": listed}


@router.get(
    "/v1/capabilities", summary="What this host does", tags=["models"], responses=problems(503)
)
async def capabilities(request: Request) -> dict[str, Any]:
    """Tell the processor's features, the precision chosen for it, and why."""
    service = service_of(request)
    engine = service.ready_engine()
    facts: dict[str, Any] = plain(await service.step(engine.capabilities))
    settings = service.settings
    limits = {
        name: getattr(settings, name)
        for name in (
            "max_upload_bytes",
            "max_pixels",
            "max_audio_s",
            "max_video_s",
            "concurrent_jobs",
            "queue_length",
            "deadline_s",
        )
    }
    return {**facts, "limits": limits, "gpu": False}


def _models(engine: Engine) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "role": entry.role,
            "title": entry.title,
            "licence": entry.licence,
            "installed": (precisions := list(engine.models.precisions(entry.name))),
            "sha256": {
                precision: _digest(engine, entry.name, precision) for precision in precisions
            },
        }
        for entry in engine.models.entries()
    ]


def _digest(engine: Engine, name: str, precision: str) -> str | None:
    try:
        return str(engine.models.find(name, precision).sha256)
    except ModelNotFoundError:
        return None
