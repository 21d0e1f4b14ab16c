"""What clients send and get, as documented in OpenAPI; every field of a request is optional here.

Requests are read by hand (two kinds of body, files that never rest in memory), so these models
validate the fields and describe the bodies.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.options import AnimateOptions, Blend, Loop, MissingFace, Precision, Preset
from api.problems import CATALOGUE
from api.speech import DEFAULT_VOICE

#: Names of avatars: safe as file names everywhere, never hidden, never a path.
AVATAR_ID = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"
DEFAULT_AVATAR = "default"

#: Fields of a request that are not options of the engine.
NOT_OPTIONS = frozenset({"avatar_id", "returns", "device", "text", "voice"})


def _no_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _numbers(value: object) -> object:
    if isinstance(value, str):
        return [part for part in re.split(r"[\s,]+", value.strip("[]() ")) if part]
    return value


Four = Annotated[tuple[int, int, int, int], BeforeValidator(_numbers)]
AvatarId = Annotated[str, Field(pattern=AVATAR_ID, examples=["default"])]
Return = Literal["path", "url", "base64"]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="ignore")


class BundleName(_Fields):
    """What to call an imported avatar."""

    avatar_id: AvatarId | None = Field(
        default=None, description="Name for it; without one it is named after its content"
    )


class AnimationFields(_Fields):
    """The options of one animation; the same names as on the command line."""

    avatar_id: AvatarId = Field(default=DEFAULT_AVATAR, description="Name of a cached avatar")
    fps: Annotated[float | None, BeforeValidator(_no_blank)] = Field(
        default=None, ge=1, le=120, description="Frames per second of a still avatar", examples=[25]
    )
    use_cache: bool = Field(default=True, description="Take and keep avatars and results")
    returns: Return = Field(
        default="path", alias="return", description="base64 puts the video itself into `video`"
    )
    device: str = Field(default="auto", description="auto or cpu", max_length=32)
    model: Annotated[str | None, BeforeValidator(_no_blank)] = Field(
        default=None, max_length=100, description="Name of the generator, see /v1/models"
    )
    precision: Precision = Field(default="auto", description="Arithmetic of the generator")
    blend: Blend = Field(default="auto", description="How the mouth is put into the frame")
    preset: Preset = Field(default="default", description="A named set of defaults")
    pads: Annotated[Four | None, BeforeValidator(_no_blank)] = Field(
        default=None, description="Pixels added to the face box: top, bottom, left, right"
    )
    box: Annotated[Four | None, BeforeValidator(_no_blank)] = Field(
        default=None, description="Fixed face box: top, bottom, left, right"
    )
    crop: Annotated[Four | None, BeforeValidator(_no_blank)] = Field(
        default=None, description="Part of the picture: top, bottom, left, right; -1 to the end"
    )
    rotate: bool = Field(default=False, description="Turn the source 90 degrees clockwise")
    resize_factor: int = Field(default=1, ge=1, le=16, description="Divide the source's size by")
    static: bool = Field(default=False, description="Use only the first frame of a video")
    smooth: bool = Field(default=True, description="Smooth the face boxes over time")
    loop: Loop = Field(default="pingpong", description="When sound outlasts the avatar")
    on_missing_face: MissingFace = Field(default="keep", description="Frames without a face")
    face_id: Annotated[int | None, BeforeValidator(_no_blank)] = Field(
        default=None, ge=0, le=99, description="Which face, see /v1/inspect"
    )
    mouth_region_size: Annotated[float | None, BeforeValidator(_no_blank)] = Field(
        default=None, ge=0.2, le=1.0, description="Blended width in parts of the face width"
    )
    blur_intensity: Annotated[int | None, BeforeValidator(_no_blank)] = Field(
        default=None, ge=3, le=101, description="Feathering in pixels of a 256-pixel face, odd"
    )
    sharpen_mouth: bool = Field(default=False, description="Sharpen the generated mouth")
    sharpen_amount: float = Field(default=0.5, ge=0, le=2, description="Strength of sharpening")
    silence_gating: bool = Field(default=True, description="Hold the rest mouth in silence")
    silence_threshold: float = Field(
        default=0.01, ge=0.0001, le=0.5, description="RMS below which sound is silence"
    )

    def options(self, default_fps: float, **changes: Any) -> AnimateOptions:
        """Return the engine's options.

        Args:
            default_fps: Frame rate of still avatars when the request names none.
            **changes: Options that the service decides, such as those of ``INFERENCE_MODE``.
        """
        chosen = self.model_dump(exclude=set(NOT_OPTIONS), exclude_unset=True)
        return AnimateOptions(**{**changes, **chosen, "fps": self.fps or default_fps})


#: What of ``AnimationFields`` shapes a cached avatar.
PREPARING = (
    "avatar_id",
    "pads",
    "box",
    "crop",
    "rotate",
    "resize_factor",
    "static",
    "smooth",
    "on_missing_face",
    "face_id",
)


class SayFields(AnimationFields):
    """A text to speak."""

    text: str = Field(min_length=1, description="What to say", examples=["Hello, I am here."])
    voice: str = Field(default=DEFAULT_VOICE, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Voice")


class OpeaAnimation(AnimationFields):
    """OPEA's ``Base64ByteStrDoc`` and the optional keys of this service."""

    byte_str: str = Field(description="The sound, base64", examples=["UklGRiQAAABXQVZF..."])
    image: str | None = Field(
        default=None, description="Picture of the avatar: base64, or a URL where allowed"
    )
    video: str | None = Field(
        default=None, description="Video of the avatar: base64, or a URL where allowed"
    )


class OpeaWav2Lip(AnimationFields):
    """OPEA's wav2lip server."""

    audio: str = Field(description="The sound, base64", examples=["UklGRiQAAABXQVZF..."])


class AnimationReply(BaseModel):
    """Where the video is and what it is."""

    id: str = Field(description="32 hex digits", examples=["0123456789abcdef0123456789abcdef"])
    job_id: str = Field(description="The same id")
    video_path: str = Field(description="The file, on the service's disk")
    video_url: str = Field(description="The same video over HTTP")
    duration: float = Field(description="Seconds")
    frames: int
    fps: float
    model: str = Field(description="Name of the generator")
    precision: str
    blend: str
    cache: Literal["hit", "miss"] = Field(description="hit: the avatar or the result was cached")
    cached: Literal["result", "avatar", "nothing"]
    av_offset_ms: float = Field(description="Drift at the end; 0: the sound ends in the last frame")
    silence_motion: float | None = Field(description="Lip movement in silence, percent")
    missing_face: list[tuple[float, float]] = Field(description="Seconds without a face")
    warnings: list[str]
    video: str | None = Field(default=None, description="The video, base64, if asked for")


class Wav2LipReply(BaseModel):
    """OPEA's reply."""

    wav2lip_result: str = Field(description="The file, on the service's disk")


class CachedAvatar(BaseModel):
    """A cached avatar."""

    status: Literal["cached"] = "cached"
    avatar_id: str
    path: str
    faces: int = Field(description="Frames with a face")
    frames: int
    seconds: float = Field(description="Length of the source")


class AvatarPage(BaseModel):
    """One page of the avatar store."""

    items: list[CachedAvatar]
    total: int
    limit: int
    offset: int


class Cleaned(BaseModel):
    """What was cleaned up."""

    status: Literal["cleaned"] = "cleaned"
    deleted_files: int


class Health(BaseModel):
    """The CPU guide's health answer."""

    status: Literal["healthy"] = "healthy"
    service: Literal["wav2lip-cpu"] = "wav2lip-cpu"
    checkpoint: str | None = Field(description="Name of the generator in use")


class Ready(BaseModel):
    """Whether requests are taken."""

    status: Literal["ready"] = "ready"


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str = Field(json_schema_extra={"enum": [*sorted(CATALOGUE)]})
    detail: str
    recovery: list[str] = Field(description="What can be done, most useful first")
    request_id: str
