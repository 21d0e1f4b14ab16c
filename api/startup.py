"""What happens between the start of the process and the first request that is taken."""

import logging
from collections.abc import Callable
from pathlib import Path

from api.context import Service
from api.engine import Engine
from api.folders import sweep
from api.schemas import DEFAULT_AVATAR
from api.settings import Settings
from runtime.errors import AvatarNotFoundError, MouthpieceError

logger = logging.getLogger(__name__)

OpenEngine = Callable[[Settings], Engine]
BUNDLE_SUFFIX = ".avatar"


def open_mouthpiece(settings: Settings) -> Engine:
    """Open the real engine; imported late because it is heavy."""
    from api.service import Mouthpiece

    return Mouthpiece(settings)


def start(service: Service, open_engine: OpenEngine) -> None:
    """Open the engine, load what the first request needs, and cache the avatars of the settings.

    Raises:
        MouthpieceError: The networks or the default avatar cannot be used: no request ever could.
    """
    settings = service.settings
    warn(settings)
    # Uploads of a process that was killed; running ones hold their folders.
    sweep(settings.uploads_dir, older_than_s=0)
    engine = service.engine = open_engine(settings)
    service.readiness.waiting_for[:] = ["the networks", "the avatars"]
    engine.generator().warm_up()
    service.readiness.waiting_for.remove("the networks")
    cache_default(engine, settings)
    for source in preloads(settings):
        cache_one(engine, source)
    service.readiness.waiting_for.clear()
    logger.info("ready", extra={"model": settings.model or engine.models.default()})


def warn(settings: Settings) -> None:
    """Say once what of OPEA's environment means something else here."""
    if settings.device.lower() not in {"cpu", "auto"}:
        logger.warning("DEVICE=%s: this service computes on the CPU", settings.device)
    if "gfpgan" in settings.inference_mode:
        logger.warning("INFERENCE_MODE=%s: the quality preset is used", settings.inference_mode)


def cache_default(engine: Engine, settings: Settings) -> None:
    """Cache the avatar of FACE, else the sample avatar when there is no default one yet."""
    if settings.face is not None:
        engine.add_avatar(settings.face, avatar_id=DEFAULT_AVATAR)
        logger.info("avatar_cached", extra={"avatar_id": DEFAULT_AVATAR})
        return
    try:
        engine.avatars.show(DEFAULT_AVATAR)
    except AvatarNotFoundError:
        sample = sample_avatar(settings) if settings.sample_avatar else None
        if sample is not None:
            engine.add_avatar(sample, avatar_id=DEFAULT_AVATAR)


def sample_avatar(settings: Settings) -> Path | None:
    """Return the picture that comes with the networks, if it is there."""
    from api.speech import sample_avatar as find

    try:
        return find(settings)
    except MouthpieceError:
        return None


def preloads(settings: Settings) -> list[Path]:
    """List the files of the preload folder, in the order of names."""
    folder = settings.preload_dir
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")


def cache_one(engine: Engine, source: Path) -> None:
    """Cache one file of the preload folder; one that cannot be used is named and left out."""
    try:
        if source.suffix == BUNDLE_SUFFIX:
            engine.avatars.import_(source, avatar_id=source.stem)
        else:
            engine.add_avatar(source, avatar_id=source.stem)
    except MouthpieceError as error:
        logger.warning("avatar_not_cached", extra={"file": source.name, "why": str(error)})
    else:
        logger.info("avatar_cached", extra={"avatar_id": source.stem})
