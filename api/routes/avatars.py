"""The avatar store over HTTP: cache, list, show, picture, remove, export and import."""

from pathlib import Path
from typing import Annotated, Any

import cv2
from fastapi import APIRouter, Path as PathParameter, Query, Request
from starlette.responses import FileResponse, Response

from api.context import service_of, visit
from api.engine import Engine, Summary
from api.openapi import HEAVY, form_body, problems, query, request_body
from api.problems import Problem
from api.routes.animation import fields_of
from api.schemas import (
    AVATAR_ID,
    PREPARING,
    AnimationFields,
    AvatarPage,
    BundleName,
    CachedAvatar,
)
from runtime.errors import AvatarCorruptError
from runtime.video import to_bgr

router = APIRouter(tags=["avatars"])

Name = Annotated[str, PathParameter(pattern=AVATAR_ID, description="Name of the avatar")]

#: Height of a thumbnail in pixels.
THUMBNAIL_HEIGHT = 160
BUNDLE_TYPE = "application/vnd.mouthpiece.avatar"


@router.post(
    "/cache-avatar",
    summary="Prepare an avatar",
    responses=problems(*HEAVY),
    openapi_extra=request_body(
        form_body(AnimationFields, files=["avatar"], only=PREPARING),
        **query(AnimationFields, "avatar_id"),
    ),
)
async def cache_avatar(request: Request) -> CachedAvatar:
    """Find the face in an image or video and keep everything that animating needs."""
    async with visit(request) as guest:
        sent = await guest.read("avatar", "image", "video")
        fields = fields_of(request, sent)
        source = sent.file("avatar", "image", "video")
        options = fields.options(guest.service.settings.fps)
        summary = await guest.run(
            lambda _: guest.engine.add_avatar(
                source.path, avatar_id=fields.avatar_id, options=options
            )
        )
        return _cached(summary)


@router.get("/v1/avatars", summary="List avatars", responses=problems(503))
async def list_avatars(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> AvatarPage:
    """List what is cached, in the order of names."""
    service = service_of(request)
    engine = service.ready_engine()
    found = sorted(await service.step(engine.avatars.list), key=lambda summary: summary.avatar_id)
    page = [_cached(summary) for summary in found[offset : offset + limit]]
    return AvatarPage(items=page, total=len(found), limit=limit, offset=offset)


@router.get("/v1/avatars/{avatar_id}", summary="Show an avatar", responses=problems(404, 503))
async def show_avatar(request: Request, avatar_id: Name) -> CachedAvatar:
    """Tell what is known of one avatar."""
    service = service_of(request)
    engine = service.ready_engine()
    return _cached(await service.step(lambda: engine.avatars.show(avatar_id)))


@router.delete(
    "/v1/avatars/{avatar_id}",
    status_code=204,
    summary="Remove an avatar",
    responses=problems(404, 503),
)
async def remove_avatar(request: Request, avatar_id: Name) -> None:
    """Forget an avatar; requests that use it at this moment still finish."""
    service = service_of(request)
    engine = service.ready_engine()
    await service.step(lambda: engine.avatars.remove(avatar_id))


@router.get(
    "/v1/avatars/{avatar_id}/thumbnail",
    summary="Picture of an avatar",
    response_class=Response,
    responses={**problems(404, 503), 200: {"content": {"image/jpeg": {}}}},
)
async def thumbnail(request: Request, avatar_id: Name) -> Response:
    """Return the avatar's first frame, small, as JPEG."""
    service = service_of(request)
    engine = service.ready_engine()
    picture = await service.step(lambda: _thumbnail(engine, avatar_id))
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "max-age=60"})


@router.get(
    "/v1/avatars/{avatar_id}/bundle",
    summary="Export an avatar",
    response_class=FileResponse,
    responses={**problems(404, 503), 200: {"content": {BUNDLE_TYPE: {}}}},
)
async def export_bundle(request: Request, avatar_id: Name) -> Response:
    """Return the avatar as one .avatar file for another machine."""
    service = service_of(request)
    engine = service.ready_engine()
    summary = await service.step(lambda: engine.avatars.show(avatar_id))
    return FileResponse(summary.path, media_type=BUNDLE_TYPE, filename=f"{avatar_id}.avatar")


@router.post(
    "/v1/avatars/bundle",
    summary="Import an avatar",
    responses=problems(*HEAVY),
    openapi_extra=request_body(
        form_body(BundleName, files=["bundle"]), **query(BundleName, "avatar_id")
    ),
)
async def import_bundle(request: Request) -> CachedAvatar:
    """Take in a .avatar file after checking every hash in it."""
    async with visit(request) as guest:
        sent = await guest.read("bundle")
        bundle = sent.file("bundle")
        name = BundleName.model_validate({**request.query_params, **sent.fields}).avatar_id
        return _cached(await guest.run(lambda _: _import(guest.engine, bundle.path, name)))


def _import(engine: Engine, bundle: Path, name: str | None) -> Summary:
    try:
        return engine.avatars.import_(bundle, avatar_id=name)
    except AvatarCorruptError as error:
        # What came over the wire is the client's fault; what lies in the store is ours.
        raise Problem("INPUT_UNREADABLE", str(error)) from error


def _thumbnail(engine: Engine, avatar_id: str) -> bytes:
    with engine.avatars.open(avatar_id) as avatar:
        frame = to_bgr(next(avatar.frames(iter((0,)))).planes)
    height, width = frame.shape[:2]
    size_wh = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
    small = cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA)
    picture: bytes = cv2.imencode(".jpg", small)[1].tobytes()
    return picture


def _cached(summary: Summary) -> CachedAvatar:
    facts: dict[str, Any] = {
        name: getattr(summary, name) for name in ("avatar_id", "faces", "frames", "seconds")
    }
    return CachedAvatar(path=str(summary.path), **facts)
