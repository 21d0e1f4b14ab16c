"""What ``mouthpiece doctor`` looks at: one finding per line, each sound or broken."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from api.settings import Settings
from runtime.errors import MouthpieceError

#: A 10 minute 720p avatar takes about 0.7 GB; below this the store fills during normal work.
MIN_FREE_BYTES = 1 << 30


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What it is.
        words: What was found, and what to do when it is broken.
        is_sound: Whether it works.
    """

    name: str
    words: str
    is_sound: bool = True


def examine(settings: Settings | None = None) -> Iterator[Finding]:
    """Look at everything an animation needs, cheapest first.

    Yields:
        Findings, as soon as each is known.
    """
    settings = settings or Settings()
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("libraries", _libraries),
        ("folders", _folders),
        ("processor", _processor),
        ("networks", _networks),
        ("arithmetic", _arithmetic),
        ("speech", _speech),
    )
    for name, check in checks:
        try:
            yield from check(settings)
        except (MouthpieceError, OSError, ImportError) as error:
            yield Finding(name, str(error), False)


def _libraries(_settings: Settings) -> Iterator[Finding]:
    import av
    import cv2
    import numpy as np
    import openvino

    versions = ", ".join(
        f"{name} {'.'.join(map(str, version))}"
        for name, version in sorted(av.library_versions.items())
    )
    yield Finding(
        "libraries",
        f"OpenVINO {openvino.__version__.split('-')[0]}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}, PyAV {av.__version__}",
    )
    has_codecs = {"libx264", "aac"} <= av.codecs_available
    yield Finding(
        "ffmpeg", versions if has_codecs else f"no libx264 or AAC in {versions}", has_codecs
    )


def _folders(settings: Settings) -> Iterator[Finding]:
    for name in ("cache_dir", "output_dir"):
        folder: Path = getattr(settings, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield Finding(name, f"{folder} is not writable: {error.strerror}", False)
            continue
        free = shutil.disk_usage(folder).free
        words = f"{folder}, {free / 1e9:.1f} GB free"
        yield Finding(name, words, free >= MIN_FREE_BYTES)


def _processor(_settings: Settings) -> Iterator[Finding]:
    from runtime.host import probe_host

    host = probe_host()
    yield Finding("processor", host.words)
    yield Finding("cores", f"{host.cores} usable, {os.cpu_count()} in the machine")


def _networks(settings: Settings) -> Iterator[Finding]:
    from runtime.models import ModelStore, model_dirs

    store = ModelStore(model_dirs(settings.models_dir))
    lips = store.entry(store.default()).lips
    for needed in (store.default(), *([lips] if lips else []), "blazeface", "facemesh"):
        store.find(needed)
    for checked in store.verify():
        yield Finding(
            "network", f"{checked.path.name}: {checked.state}", checked.state in ("ok", "unlisted")
        )


def _arithmetic(settings: Settings) -> Iterator[Finding]:
    from api.service import Mouthpiece

    with Mouthpiece(settings, probes=True) as mouthpiece:
        generator = mouthpiece.generator()
        why = [*generator.plan.why]
        if generator.lips is not None:
            why.append(f"{generator.lips.name} moves lips where no mouth has to be drawn")
        yield Finding(
            "arithmetic", f"{generator.name} in {generator.plan.precision}: " + "; ".join(why)
        )


def _speech(_settings: Settings) -> Iterator[Finding]:
    from importlib.util import find_spec

    there = find_spec("hibari") is not None
    yield Finding(
        "speech",
        "hibari-tts is installed"
        if there
        else "not installed (optional): pip install 'mouthpiece[tts]'",
    )
