"""Probes, statistics, metrics, results and cleaning: what operators and orchestrators call."""

from typing import Annotated, Any

from fastapi import APIRouter, Path as PathParameter, Query, Request
from starlette.responses import FileResponse, Response

from api.context import service_of
from api.folders import sweep
from api.generation import product_version
from api.openapi import problems
from api.problems import Problem
from api.results import VIDEO_NAME
from api.schemas import Cleaned, Health, Ready
from api.statistics import SERVICE

router = APIRouter(tags=["operation"])


@router.get("/livez", summary="Is the process alive", responses=problems())
async def livez() -> dict[str, str]:
    """Answer at once, whatever the workers do."""
    return {"status": "alive"}


@router.get("/readyz", summary="Are requests taken", responses=problems(503))
async def readyz(request: Request) -> Ready:
    """Answer 200 when networks and the default avatar are loaded, 503 before and while draining."""
    service = service_of(request)
    service.ready_engine()
    if service.admission.draining:
        raise Problem("BUSY", "the service is shutting down", status=503)
    return Ready()


@router.get("/health", summary="The CPU guide's health check", responses=problems())
async def health(request: Request) -> Health:
    """Answer that the service is there, and which network it uses."""
    service = service_of(request)
    settings = service.settings
    if settings.checkpoint_path is not None:
        return Health(checkpoint=str(settings.checkpoint_path))
    known = settings.model or (service.engine and service.engine.models.default()) or None
    return Health(checkpoint=known)


@router.get(
    "/v1/health",
    summary="OPEA's health check",
    tags=["opea"],
    response_class=Response,
    responses=problems(),
)
async def opea_health() -> Response:
    """Answer 200 with an empty body."""
    return Response()


@router.get("/v1/health_check", summary="OPEA's description", tags=["opea"], responses=problems())
async def opea_health_check() -> dict[str, str]:
    """Answer with the service's name and version, as every OPEA microservice does."""
    return {
        "Service Title": SERVICE,
        "Version": product_version(),
        "Service Description": "OPEA Microservice Infrastructure",
    }


@router.get("/v1/statistics", summary="OPEA's latencies", tags=["opea"], responses=problems())
async def statistics(request: Request) -> dict[str, dict[str, float | None]]:
    """Answer with p50, p99 and mean seconds of the films made; null until there is one."""
    return service_of(request).latencies.summary()


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={**problems(), 200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Answer in the Prometheus text format."""
    found = service_of(request).metrics
    return Response(found.render(), media_type=found.content_type)


@router.get(
    f"/v1/results/{{result_id}}/{VIDEO_NAME}",
    summary="Fetch a film",
    tags=["animation"],
    response_class=FileResponse,
    responses={
        **problems(404, 416),
        200: {"content": {"video/mp4": {}}},
        206: {"description": "A part of it", "content": {"video/mp4": {}}},
        304: {"description": "The film has the ETag of If-None-Match"},
    },
)
async def result(
    request: Request,
    result_id: Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")],
) -> Response:
    """Return a film made before, whole or in ranges."""
    service = service_of(request)
    film = await service.step(lambda: service.output.find(result_id))
    if film is None:
        raise Problem("NOT_FOUND", f"no result {result_id}; it may have been cleaned up")
    tag = f'"{result_id}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    # A result never changes under its id.
    headers = {"ETag": tag, "Cache-Control": "private, immutable, max-age=86400"}
    return FileResponse(film, media_type="video/mp4", headers=headers)


@router.delete("/cleanup", summary="Delete old results", responses=problems())
async def cleanup(
    request: Request, older_than_hours: Annotated[float, Query(ge=0, le=1_000_000)] = 24
) -> Cleaned:
    """Delete results and abandoned uploads older than this; never those of a running request."""
    service = service_of(request)
    age_s = older_than_hours * 3600

    def clean() -> int:
        roots: tuple[Any, ...] = (service.settings.output_dir, service.settings.uploads_dir)
        return sum(sweep(root, older_than_s=age_s) for root in roots)

    return Cleaned(deleted_files=await service.step(clean))
