"""What happens between the start of the process and the first request that is taken."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from api.context import Service
from api.engine import Engine
from api.folders import HeldFolder, sweep
from api.schemas import DEFAULT_AVATAR
from api.settings import Settings
from runtime.errors import AvatarCorruptError, AvatarNotFoundError, MouthpieceError, OutputError
from runtime.models import ModelStore

logger = logging.getLogger(__name__)

OpenEngine = Callable[[Settings], Engine]
BUNDLE_SUFFIX = ".avatar"
#: At 16 kHz: some batches of mouths, and a pause of some frames, whose lips are looked at.
REHEARSAL_HUM, REHEARSAL_PAUSE = 6400, 9600
#: Pictures under this folder come with OPEA's images, whose settings should work here unchanged.
OPEA_ASSETS = "/comps/animation/src/assets/"


def open_mouthpiece(settings: Settings) -> Engine:
    """Open the real engine; imported late because it is heavy."""
    from api.service import Mouthpiece

    return Mouthpiece(settings)


def with_checkpoint(settings: Settings) -> Settings:
    """Return settings that work where CHECKPOINT_PATH names a file of another image.

    A file that exists is left to the engine. Of one that does not, the network made from it earlier
    is used, if it is installed, else the default one.
    """
    path = settings.checkpoint_path
    if path is None or settings.model is not None or path.exists():
        return settings
    name = path.stem.lower().replace("_", "-")
    if name in {entry.name for entry in ModelStore(settings.model_dirs).generators()}:
        return settings.model_copy(update={"model": name})
    logger.warning("CHECKPOINT_PATH=%s: no such file; the default network is used", path)
    return settings.model_copy(update={"checkpoint_path": None})


def start(service: Service, open_engine: OpenEngine) -> None:
    """Open the engine, load what the first request needs, and cache the avatars of the settings.

    Raises:
        MouthpieceError: The networks or the default avatar cannot be used: no request ever could.
    """
    settings = service.settings
    warn(settings)
    check_outfile(settings.outfile)
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
    rehearse(engine, settings)


def warn(settings: Settings) -> None:
    """Say once what of OPEA's environment means something else here."""
    if settings.device.lower() not in {"cpu", "auto"}:
        logger.warning("DEVICE=%s: this service computes on the CPU", settings.device)
    if "gfpgan" in settings.inference_mode:
        logger.warning("INFERENCE_MODE=%s: the quality preset is used", settings.inference_mode)


def check_outfile(outfile: Path | None) -> None:
    """Make the folder of OUTFILE.

    Raises:
        OutputError: It cannot be written to; every request would fail.
    """
    if outfile is None:
        return
    try:
        outfile.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"OUTFILE={outfile}: {error.strerror or error}") from error
    if not os.access(outfile.parent, os.W_OK):
        raise OutputError(f"OUTFILE={outfile}: its folder cannot be written to")


def cache_default(engine: Engine, settings: Settings) -> None:
    """Cache the avatar of FACE, else the sample avatar when there is no default one yet."""
    face = settings.face
    if face is not None and not face.exists() and OPEA_ASSETS in str(face):
        logger.warning("FACE=%s: not part of this image; the sample avatar is used", face)
        face = sample_avatar(settings)
    elif face is None and settings.sample_avatar and not _has_default(engine):
        face = sample_avatar(settings)
    if face is not None:
        engine.add_avatar(face, avatar_id=DEFAULT_AVATAR)
        logger.info("avatar_cached", extra={"avatar_id": DEFAULT_AVATAR})


def rehearse(engine: Engine, settings: Settings) -> None:
    """Find a face, animate a hum and a pause: the first request is as fast as the next.

    It runs after the service is ready: what it loads and fills would make readiness later.
    """
    from runtime.audio import encode_wav

    hum = 0.2 * np.sin(np.arange(REHEARSAL_HUM, dtype=np.float32) * 0.1)
    hum = np.pad(hum, (0, REHEARSAL_PAUSE))
    folder = HeldFolder(settings.uploads_dir)
    try:
        sound = folder.path / "hum.wav"
        sound.write_bytes(encode_wav(hum.astype(np.float32)))
        if (picture := sample_avatar(settings)) is not None:
            engine.inspect(picture)
        engine.animate(DEFAULT_AVATAR, sound, folder.path / "rehearsal.mp4")
    except AvatarNotFoundError:
        logger.debug("no default avatar to rehearse with")
    except MouthpieceError as error:
        # Requests will be told the same; that nothing was rehearsed must not stop the service.
        logger.warning("the rehearsal failed: %s", error)
    finally:
        folder.release(keep=False)


def _has_default(engine: Engine) -> bool:
    try:
        engine.avatars.show(DEFAULT_AVATAR)
    except AvatarNotFoundError:
        return False
    except AvatarCorruptError as error:
        # Left by a crash of the disk or by another version; nothing could be animated with it.
        logger.warning("the default avatar cannot be used, the sample avatar is: %s", error)
        return False
    return True


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
