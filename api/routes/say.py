"""Text to film."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.generation import generation, order_of
from api.openapi import HEAVY, form_body, json_body, problems, request_body, video_or
from api.problems import Problem
from api.routes.animation import answer
from api.schemas import AnimationReply, SayFields

router = APIRouter(tags=["animation"])


@router.post(
    "/v1/say",
    summary="Make a face say a text",
    responses={**problems(*HEAVY), **video_or(AnimationReply)},
    openapi_extra=request_body(json_body(SayFields), form_body(SayFields, files=[])),
)
async def say(request: Request) -> Response:
    """Speak a text with a built-in voice; the answer is the film, or JSON on request."""
    async with generation(request) as guest:
        sent = await guest.read("avatar", "image", "video")
        fields = SayFields.model_validate({**request.query_params, **sent.fields})
        limit = guest.service.settings.max_text_chars
        if len(fields.text) > limit:
            raise Problem(
                "INPUT_TOO_LARGE", f"text: {len(fields.text)} characters, {limit} allowed"
            )
        picture = next(iter(sent.files.values()), None)
        speech = (fields.text, fields.voice)
        order = order_of(guest.service, fields, avatar=picture, speech=speech)
        return await answer(guest, order, fields)
