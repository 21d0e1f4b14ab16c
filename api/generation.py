"""One video from request to reply: result cache, engine, checks, metrics, log lines."""

import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from starlette.requests import Request

from api.context import Service, Visit, service_of, visit
from api.folders import HeldFolder
from api.options import AnimateOptions, AnimateReport
from api.problems import Problem, as_problem
from api.results import VIDEO_NAME, ResultFacts, result_key
from api.schemas import AnimationFields
from api.uploads import UploadedFile
from runtime.errors import CancelledError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What to make.

    Attributes:
        avatar: A file, or the id of a cached avatar.
        speech: A sound file, or text and voice.
        options: For the engine.
    """

    avatar: UploadedFile | str
    speech: UploadedFile | tuple[str, str]
    options: AnimateOptions


@dataclass(frozen=True, slots=True)
class Made:
    """A finished video.

    Attributes:
        folder: Holds it; to be released when the answer is out.
        key: Of the result cache.
        facts: What it is.
        cached: What did not have to be made again.
    """

    folder: HeldFolder
    key: str
    facts: ResultFacts
    cached: Literal["result", "avatar", "nothing"]

    @property
    def video(self) -> Path:
        """The file."""
        return self.folder.path / VIDEO_NAME


def product_version() -> str:
    """Return the version of this installation."""
    try:
        return version("mouthpiece")
    except PackageNotFoundError:
        return "0"


@asynccontextmanager
async def generation(request: Request) -> AsyncIterator[Visit]:
    """Admit a request that makes a video; count and time it."""
    service = service_of(request)
    start = time.monotonic()
    async with visit(request) as guest:
        try:
            yield guest
        except Exception as error:
            problem = as_problem(error)
            service.metrics.errors.inc()
            logger.info("generation_failed", extra={"code": problem.code, "detail": problem.detail})
            raise
    elapsed = time.monotonic() - start
    service.metrics.generations.inc()
    service.metrics.duration.observe(elapsed)
    service.latencies.record(elapsed)


def order_of(
    service: Service,
    fields: AnimationFields,
    *,
    avatar: UploadedFile | None,
    speech: UploadedFile | tuple[str, str],
) -> Order:
    """Return what a request asks for.

    Raises:
        Problem: 422 GPU_UNAVAILABLE when it insists on another device than the CPU.
        OptionError: An option cannot be honoured.
    """
    if fields.device.lower() not in {"auto", "cpu"}:
        raise Problem("GPU_UNAVAILABLE", f"device {fields.device!r}: this service has a CPU only")
    changes = {"preset": "quality"} if "gfpgan" in service.settings.inference_mode else {}
    options = fields.options(service.settings.fps, **changes)
    return Order(avatar or fields.avatar_id, speech, options)


async def make(guest: Visit, order: Order) -> Made | None:
    """Make the video, or take it from the result cache.

    Returns:
        The video, or ``None`` when the client already has it (If-None-Match).
    """
    service = guest.service
    name = guest.request.state.request_id
    key = await service.step(lambda: _key(guest, order))
    if _has(guest.request, key):
        return None
    cacheable = order.options.use_cache and service.settings.cache_enabled
    if cacheable:
        kept = await service.step(lambda: _from_cache(service, name, key))
        service.metrics.result_cache.labels("hit" if kept else "miss").inc()
        if kept:
            return kept
    logger.info(
        "generation_started",
        extra={
            "audio_size": getattr(order.speech, "size", None),
            "avatar_size": getattr(order.avatar, "size", None),
        },
    )
    made = await guest.run(lambda cancel: _animate(guest, order, name, key, cancel))
    if cacheable:
        await service.step(lambda: service.results.keep(key, made.video, made.facts))
    return made


def etag(key: str) -> str:
    """Return the weak ETag of a result: equal input, hence an equal film, if not equal bytes."""
    return f'W/"{key}"'


def _has(request: Request, key: str) -> bool:
    wanted = request.headers.get("if-none-match", "")
    return any(part.strip().removeprefix("W/") == f'"{key}"' for part in wanted.split(","))


def _key(guest: Visit, order: Order) -> str:
    network = guest.engine.generator(order.options.model, order.options.precision)
    if isinstance(order.avatar, str):
        avatar = guest.engine.avatars.show(order.avatar).fingerprint
    else:
        avatar = order.avatar.sha256
    speech = order.speech if isinstance(order.speech, tuple) else order.speech.sha256
    options = asdict(replace(order.options, use_cache=True))
    return result_key(
        speech=speech,
        avatar=avatar,
        options=options,
        network=network.digest,
        arithmetic=network.plan.precision,
        version=product_version(),
    )


def _from_cache(service: Service, name: str, key: str) -> Made | None:
    folder = service.output.open(name)
    facts = service.results.take(key, folder.path / VIDEO_NAME)
    if facts is None:
        folder.release(keep=False)
        return None
    return Made(folder, key, facts, "result")


def _animate(guest: Visit, order: Order, name: str, key: str, cancel: threading.Event) -> Made:
    service = guest.service
    folder = service.output.open(name)
    try:
        report = _call_engine(guest, order, folder.path / VIDEO_NAME, cancel)
        if cancel.is_set():
            raise CancelledError("nobody waits for this result any more")
        _check_sync(report, service.settings.max_av_offset_ms)
    except BaseException:
        folder.release(keep=False)
        raise
    _note(service, report)
    return Made(folder, key, _facts(report), "avatar" if report.cache == "hit" else "nothing")


def _call_engine(
    guest: Visit, order: Order, output: Path, cancel: threading.Event
) -> AnimateReport:
    avatar = order.avatar if isinstance(order.avatar, str) else order.avatar.path
    if isinstance(order.speech, tuple):
        text, voice = order.speech
        return guest.engine.say(
            text, avatar, output, voice=voice, options=order.options, cancel=cancel
        )
    return guest.engine.animate(avatar, order.speech.path, output, order.options, cancel=cancel)


def _check_sync(report: AnimateReport, limit_ms: float) -> None:
    if abs(report.av_offset_ms) > limit_ms:
        raise Problem(
            "SYNC_ERROR",
            f"picture and sound drifted {report.av_offset_ms:.0f} ms apart, "
            f"{limit_ms:g} ms allowed",
        )


def _note(service: Service, report: AnimateReport) -> None:
    metrics = service.metrics
    for stage, seconds in report.stages_s.items():
        metrics.stage.labels(stage).observe(seconds)
    metrics.video_seconds.inc(report.duration_s)
    metrics.real_time_factor.observe(report.real_time_factor)
    logger.info(
        "generation_completed",
        extra={
            "duration": round(report.elapsed_s, 3),
            "output_size": report.output.stat().st_size,
            "avatar_id": report.avatar_id,
            "frames": report.frames,
            "real_time_factor": round(report.real_time_factor, 3),
            "stages_s": {name: round(value, 4) for name, value in report.stages_s.items()},
        },
    )


def _facts(report: AnimateReport) -> ResultFacts:
    return ResultFacts(
        duration_s=report.duration_s,
        frames=report.frames,
        fps=report.fps,
        model=report.model,
        precision=report.precision,
        blend=report.blend,
        av_offset_ms=report.av_offset_ms,
        silence_motion=report.silence_motion,
        missing_face=report.missing_face,
        warnings=report.warnings,
    )
