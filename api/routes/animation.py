"""The routes that make films from files: multipart and JSON, cached and uncached."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.context import Service, Visit
from api.generation import Made, Order, generation, make, order_of
from api.openapi import HEAVY, form_body, json_body, problems, query, request_body, video_or
from api.replies import FilmResponse, as_json, not_modified, published, wants_json
from api.schemas import (
    AnimationFields,
    AnimationReply,
    OpeaAnimation,
    OpeaWav2Lip,
    Wav2LipReply,
)
from api.submission import Submission
from api.uploads import UploadedFile

router = APIRouter(tags=["animation"])

_FILM = {**problems(*HEAVY), **video_or(AnimationReply)}
_SOUND = ("audio", "byte_str")
#: ``face`` is what Wav2Lip calls it.
_PICTURE = ("avatar", "image", "video", "face")


@router.post(
    "/v1/animation",
    summary="Make a face speak",
    responses=_FILM,
    openapi_extra=request_body(
        json_body(OpeaAnimation),
        form_body(AnimationFields, files=["audio"], optional=["avatar"]),
        **query(AnimationFields, "fps", "use_cache"),
    ),
)
async def animation(request: Request) -> Response:
    """Make a film from sound and a face.

    A form answers with the film, JSON with where it is, as OPEA's animation microservice does;
    `Accept: application/json` or `return` chooses. The face is a file (`avatar`; in JSON `image` or
    `video`) or the cached avatar called `avatar_id`.
    """
    async with generation(request) as guest:
        sent = await guest.read(*_SOUND, *_PICTURE)
        sent.expect_files(*_SOUND, *_PICTURE)
        fields = fields_of(request, sent)
        sound = sent.file("byte_str", "audio") if sent.is_json else sent.file("audio")
        picture = next((sent.files[name] for name in _PICTURE if name in sent.files), None)
        order = order_of(guest.service, fields, avatar=picture, speech=sound)
        return await answer(guest, order, fields, as_film=not sent.is_json)


@router.post(
    "/v1/animation-with-cache",
    summary="Make a cached avatar speak",
    responses=_FILM,
    openapi_extra=request_body(
        form_body(AnimationFields, files=["audio"]),
        **query(AnimationFields, "avatar_id", "fps"),
    ),
)
async def animation_with_cache(request: Request) -> Response:
    """Make a film with an avatar that was cached before; 404 when it was not."""
    async with generation(request) as guest:
        sent = await guest.read(*_SOUND)
        fields = fields_of(request, sent)
        order = order_of(guest.service, fields, avatar=None, speech=sent.file("audio", "byte_str"))
        return await answer(guest, order, fields)


@router.post(
    "/sync",
    summary="Put other sound into a video",
    responses=_FILM,
    openapi_extra=request_body(form_body(AnimationFields, files=["video", "audio"])),
)
async def sync(request: Request) -> Response:
    """Make the face in a video say other sound; the answer is the film."""
    async with generation(request) as guest:
        sent = await guest.read()
        fields = fields_of(request, sent)
        video = sent.file("video", "avatar")
        order = order_of(guest.service, fields, avatar=video, speech=sent.file("audio"))
        return await answer(guest, order, fields)


@router.post(
    "/v1/wav2lip",
    summary="What OPEA's wav2lip server does",
    response_model=Wav2LipReply,
    responses=problems(*HEAVY),
    openapi_extra=request_body(json_body(OpeaWav2Lip)),
    tags=["opea"],
)
async def wav2lip(request: Request) -> Response:
    """Make the default avatar speak; the body is JSON whatever its content type says."""
    async with generation(request) as guest:
        sent = await guest.read(*_SOUND, any_type=True)
        fields = fields_of(request, sent)
        sound = await first_sound(guest) or sent.file("audio", "byte_str")
        order = order_of(guest.service, fields, avatar=None, speech=sound)
        made = await make(guest, order)
        if made is None:
            return not_modified()
        try:
            path = await published(guest.service, made)
        finally:
            made.folder.release(keep=True)
        return JSONResponse({"wav2lip_result": str(path)})


async def answer(
    guest: Visit, order: Order, fields: AnimationFields, *, as_film: bool = True
) -> Response:
    """Make what was ordered and answer with the film or with JSON, as the client prefers."""
    made: Made | None = await make(guest, order)
    if made is None:
        return not_modified()
    if as_film and not wants_json(guest.request, fields):
        return FilmResponse(made, guest.request.state.request_id)
    return await as_json(guest.request, made, fields)


def fields_of(request: Request, sent: Submission) -> AnimationFields:
    """Return the validated fields of the query and the body; the body wins."""
    return AnimationFields.model_validate({**request.query_params, **sent.fields})


async def first_sound(guest: Visit) -> UploadedFile | None:
    """Return the sound of OPEA's AUDIO setting on the first call, later ``None``."""
    service: Service = guest.service
    source, service.first_audio = service.first_audio, None
    if source is None:
        return None
    sink = guest.inbox.new_file("AUDIO")
    await service.step(lambda: sink.write(source.read_bytes()))
    return sink.close()
