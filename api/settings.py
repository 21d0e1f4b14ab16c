"""Every setting of mouthpiece, read from the environment here and nowhere else.

Names are ``MOUTHPIECE_<FIELD>``; the second name of some fields is the variable that OPEA's images
and the CPU guide use for the same thing. ``docs/settings.md`` lists them all.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.models import model_dirs

PREFIX = "MOUTHPIECE_"


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
Ports = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]


def _also(field: str, *names: str) -> AliasChoices:
    return AliasChoices(PREFIX + field, *names)


def _unit(unit: str) -> dict[str, Any]:
    return {"unit": unit}


def _data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "mouthpiece"


class Settings(BaseSettings):
    """The settings of one process, frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        env_parse_none_str="None",
        populate_by_name=True,
        frozen=True,
        extra="ignore",
    )

    data_dir: Path = Field(
        default_factory=_data_dir,
        description="Where everything is kept unless the next three say otherwise",
        json_schema_extra=_unit("folder"),
    )
    models_dir: Path = Field(
        default_factory=lambda known: known["data_dir"] / "models",
        description="Networks of your own beside the bundled ones; may be read-only",
        json_schema_extra=_unit("folder"),
    )
    cache_dir: Path = Field(
        default_factory=lambda known: known["data_dir"] / "cache",
        description="Cached avatars, cached results, uploads in flight",
        json_schema_extra=_unit("folder"),
    )
    output_dir: Path = Field(
        default_factory=lambda known: known["data_dir"] / "output",
        description="Results, one folder per request: <id>/result.mp4",
        json_schema_extra=_unit("folder"),
    )

    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Threads for inference; 0 takes what the machine and its cgroup offer",
        json_schema_extra=_unit("threads"),
    )
    precision: Literal["auto", "int8", "bf16", "f32"] = Field(
        default="auto", description="Arithmetic of the generator; auto picks per host"
    )
    model: str | None = Field(
        default=None, description="Generator to use when a request names none; unset: the default"
    )
    checkpoint_path: Path | None = Field(
        default=None,
        validation_alias=_also("CHECKPOINT_PATH", "CHECKPOINT_PATH"),
        description="Checkpoint file whose converted network is the default generator",
        json_schema_extra=_unit("file"),
    )
    device: str = Field(
        default="cpu",
        validation_alias=_also("DEVICE", "DEVICE"),
        description="cpu; cuda, hpu and others fall back to cpu with one warning",
    )
    inference_mode: str = Field(
        default="wav2lip_only",
        validation_alias=_also("INFERENCE_MODE", "INFERENCE_MODE"),
        description="wav2lip_only, or wav2lip+gfpgan, which stands for the quality preset",
    )
    facesize: int = Field(
        default=96,
        ge=96,
        le=1024,
        validation_alias=_also("FACESIZE", "FACESIZE"),
        description="Accepted for OPEA; the network decides",
        json_schema_extra=_unit("pixels"),
    )
    gfpgan_model_version: str | None = Field(
        default=None,
        validation_alias=_also("GFPGAN_MODEL_VERSION", "GFPGAN_MODEL_VERSION"),
        description="Accepted for OPEA, no meaning here",
    )
    upscale_factor: float = Field(
        default=1.0,
        gt=0,
        validation_alias=_also("UPSCALE_FACTOR", "UPSCALE_FACTOR"),
        description="Accepted for OPEA, no meaning here",
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one"
    )
    extra_ports: Ports = Field(
        default=(), description="More ports for the same routes, separated by commas"
    )
    wav2lip_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        validation_alias=_also("WAV2LIP_PORT", "WAV2LIP_PORT"),
        description="One more port: OPEA's wav2lip server, there 7860",
    )
    animation_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        validation_alias=_also("ANIMATION_PORT", "ANIMATION_PORT"),
        description="One more port: OPEA's animation microservice, there 9066",
    )
    public_url: str | None = Field(
        default=None,
        description="Start of every video_url, such as https://avatars.example.org;"
        " unset: the address the client used",
    )
    cors_origins: Names = Field(
        default=(), description="Origins whose pages may call this service; * for all"
    )
    api_keys: Secrets = Field(
        default=(), description="Keys, separated by commas; unset: no key is needed"
    )

    face: Path | None = Field(
        default=None,
        validation_alias=_also("FACE", "FACE"),
        description="Image or video of the avatar named default; the service is ready after it",
        json_schema_extra=_unit("file"),
    )
    sample_avatar: bool = Field(
        default=True,
        description="Without face: cache the sample portrait as default when there is no default",
    )
    preload_dir: Path | None = Field(
        default=None,
        validation_alias=_also("PRELOAD_DIR", "AVATAR_PRELOAD_DIR"),
        description="Every image, video and .avatar file in here is cached at start under its stem",
        json_schema_extra=_unit("folder"),
    )
    audio: Path | None = Field(
        default=None,
        validation_alias=_also("AUDIO", "AUDIO"),
        description="Sound taken instead of the first request's on /v1/wav2lip, as OPEA does",
        json_schema_extra=_unit("file"),
    )
    outfile: Path | None = Field(
        default=None,
        validation_alias=_also("OUTFILE", "OUTFILE"),
        description="The last result is also published here, atomically; video_path then names it",
        json_schema_extra=_unit("file"),
    )
    fps: float = Field(
        default=10.0,
        gt=0,
        le=120,
        validation_alias=_also("FPS", "FPS"),
        description="Frame rate of a still avatar when a request names none; videos keep theirs",
        json_schema_extra=_unit("frames per second"),
    )

    cache_enabled: bool = Field(
        default=True,
        validation_alias=_also("CACHE_ENABLED", "CACHE_ENABLED"),
        description="Answer identical requests from the result cache",
    )
    cache_bytes: int = Field(
        default=8 << 30,
        ge=0,
        description="Budget of the avatar cache; the least recently used leave first",
        json_schema_extra=_unit("bytes"),
    )
    result_cache_bytes: int = Field(
        default=2 << 30,
        ge=0,
        description="Budget of the result cache; the least recently used leave first",
        json_schema_extra=_unit("bytes"),
    )

    max_upload_bytes: int = Field(
        default=256 << 20,
        ge=1,
        description="Largest file of a request, after base64",
        json_schema_extra=_unit("bytes"),
    )
    max_inflight_bytes: int = Field(
        default=2 << 30,
        ge=1,
        description="All uploads on disk together; beyond it BUFFER_OVERFLOW",
        json_schema_extra=_unit("bytes"),
    )
    max_pixels: int = Field(
        default=25_000_000,
        ge=1,
        description="Largest picture, image or video frame: a 24 megapixel camera's",
        json_schema_extra=_unit("pixels"),
    )
    max_audio_s: float = Field(
        default=600.0, gt=0, description="Longest sound", json_schema_extra=_unit("s")
    )
    max_video_s: float = Field(
        default=600.0, gt=0, description="Longest avatar video", json_schema_extra=_unit("s")
    )
    max_text_chars: int = Field(
        default=5000, ge=1, description="Longest text to say", json_schema_extra=_unit("characters")
    )
    max_av_offset_ms: float = Field(
        default=50.0,
        ge=0,
        description="A result whose sound and picture are further apart is refused: SYNC_ERROR",
        json_schema_extra=_unit("ms"),
    )

    concurrent_jobs: int = Field(
        default=2, ge=1, le=256, description="Animations at once", json_schema_extra=_unit("jobs")
    )
    queue_length: int = Field(
        default=16,
        ge=0,
        le=100_000,
        description="Requests that may wait for their turn; beyond it 429",
        json_schema_extra=_unit("requests"),
    )
    upload_timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="A body must be complete by then: 408",
        json_schema_extra=_unit("s"),
    )
    deadline_s: float = Field(
        default=600.0,
        gt=0,
        description="From the request's first byte to its answer: 504; keep it below the caller's",
        json_schema_extra=_unit("s"),
    )
    drain_s: float = Field(
        default=30.0,
        ge=0,
        description="After SIGTERM running requests may take this long before they are cancelled",
        json_schema_extra=_unit("s"),
    )
    max_connections: int = Field(
        default=512, ge=1, description="Open connections", json_schema_extra=_unit("connections")
    )

    allow_urls: bool = Field(
        default=False, description="Fetch avatars given as http(s) URL, from public addresses only"
    )
    url_hosts: Names = Field(
        default=(), description="Only these hosts may be fetched from; unset: any public one"
    )

    log_format: Literal["json", "text"] = Field(
        default="json", description="One JSON object per line, or lines for people"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is written"
    )
    logflag: bool = Field(
        default=False,
        validation_alias=_also("LOGFLAG", "LOGFLAG"),
        description="OPEA's switch: true sets the level debug",
    )

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port to listen on, the main one first, none twice."""
        wanted = (self.port, *self.extra_ports, self.wav2lip_port, self.animation_port)
        return tuple(dict.fromkeys(port for port in wanted if port is not None))

    @property
    def model_dirs(self) -> tuple[Path, ...]:
        """Folders searched for networks, in order."""
        return model_dirs(self.models_dir)

    @property
    def avatars_dir(self) -> Path:
        """The avatar store's folder."""
        return self.cache_dir / "avatars"

    @property
    def results_dir(self) -> Path:
        """The result cache's folder."""
        return self.cache_dir / "results"

    @property
    def uploads_dir(self) -> Path:
        """Where the bodies of running requests are."""
        return self.cache_dir / "uploads"
