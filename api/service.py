"""``Mouthpiece``: everything put together once, for the command line, HTTP, benchmarks and you."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

import cv2

from api.capabilities import Capabilities, describe_capabilities
from api.folders import HeldFolder
from api.networks import Networks
from api.options import AnimateOptions, AnimateReport, Precision
from api.settings import Settings
from api.speech import DEFAULT_VOICE, synthesize
from api.translation import (
    Prepared,
    limits_exceeded,
    moves_lips,
    prepare_options,
    provenance,
    report_of,
    stream_options,
)
from avatar_cache import AvatarStore, AvatarSummary, CachedAvatar, PrepareOptions
from avatar_cache.inspection import Inspection, inspect_media
from runtime.animator import Animator
from runtime.blending import first_row
from runtime.destination import check_output
from runtime.errors import CancelledError, OutputError
from runtime.film import write_film
from runtime.generator import Generator
from runtime.media import MediaSource
from runtime.memory import keep_freed_memory
from runtime.models import ModelStore, model_dirs
from runtime.muxing import EncodeOptions
from runtime.threads import keep_to_one_thread, take_short_turns

logger = logging.getLogger(__name__)

Progress = Callable[[float], None]


class Mouthpiece:
    """Makes faces speak; create it once and call it from any thread.

    Networks are loaded when first needed and shared. Example::

        with Mouthpiece() as mouthpiece:
            mouthpiece.animate(Path("face.jpg"), Path("speech.wav"), Path("out.mp4"))

    Attributes:
        settings: What it was opened with.
        models: Networks on this machine.
        avatars: Avatars prepared before.
    """

    def __init__(self, settings: Settings | None = None, *, probes: bool = False) -> None:
        """Open the stores; nothing is loaded yet.

        Args:
            settings: ``None`` reads the environment.
            probes: Measure for two seconds how a network runs best here, unless that is known.

        Raises:
            ModelNotFoundError: The manifest of networks is missing.
        """
        self.settings = settings or Settings()
        self.models = ModelStore(model_dirs(self.settings.models_dir))
        self.avatars = AvatarStore(
            self.settings.avatars_dir, budget_bytes=self.settings.cache_bytes
        )
        self._networks = Networks(self.settings, self.models, probes=probes)
        # OpenCV's words about broken images would stand beside our errors.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        keep_to_one_thread()
        take_short_turns()
        keep_freed_memory()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the networks."""
        self._networks.close()

    def animate(
        self,
        avatar: Path | str,
        audio: MediaSource,
        output: Path,
        options: AnimateOptions | None = None,
        *,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> AnimateReport:
        """Make a face say a recording.

        Args:
            avatar: Path of an image or video, or the id of a cached avatar as ``str``.
            audio: Path of a sound or video file, or its bytes.
            output: Video to write; appears complete or not at all.
            options: See ``AnimateOptions``.
            progress: Called with the finished fraction, 0 to 1.
            cancel: Set it to stop at the next frame.

        Raises:
            InputError: The face, the sound or the output cannot be used; the message says why.
            AvatarError: No such avatar, or it is damaged.
            ModelError: A network is missing or does not fit.
            LimitError: The input is beyond the limits of the settings.
            CancelledError: ``cancel`` was set.
        """
        start = perf_counter()
        options = options or AnimateOptions()
        check_output(output)
        _refuse_overwriting(output, avatar, audio)
        how = stream_options(options, hears_lips=self._networks.hears_lips(options.model))
        course = _Course(progress, cancel)
        generator = self._networks.generator(
            options.model,
            options.precision,
            is_deterministic=options.deterministic,
            first_row=first_row(how.blend),
        )
        encode = EncodeOptions(deterministic=options.deterministic, metadata=provenance(generator))
        with self._prepared(avatar, options, generator, course.prepare) as prepared:
            animator = Animator(generator, mesh=self._networks.mesh)
            animator.timer.add("detect", prepared.seconds)
            film = write_film(
                animator,
                prepared.avatar,
                audio,
                output,
                how,
                encode=encode,
                max_sound_s=self.settings.max_audio_s,
                progress=course.write,
                cancel=cancel,
            )
            report = report_of(output, film, prepared, animator, generator, options)
        report = replace(report, elapsed_s=perf_counter() - start)
        logger.info(
            "animated %s: %d frames, %.2f s audio, rtf %.2f",
            report.avatar_id,
            report.frames,
            film.sound_s,
            report.real_time_factor,
        )
        return report

    def say(
        self,
        text: str,
        avatar: Path | str,
        output: Path,
        *,
        voice: str = DEFAULT_VOICE,
        options: AnimateOptions | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> AnimateReport:
        """Make a face say a text; see ``animate`` and ``api.speech.synthesize``."""
        check_output(output)
        speech = synthesize(text, voice, cancel=cancel)
        return self.animate(avatar, speech, output, options, progress=progress, cancel=cancel)

    def add_avatar(
        self,
        source: MediaSource,
        *,
        avatar_id: str | None = None,
        options: AnimateOptions | PrepareOptions | None = None,
        progress: Progress | None = None,
    ) -> AvatarSummary:
        """Find the face in an image or video and keep everything that animating needs.

        Args:
            source: Path of the image or video, or its bytes.
            avatar_id: Name for it; ``None`` names it after its content.
            options: How to look for the face; of ``AnimateOptions`` only that part counts.
            progress: Called with the finished fraction, 0 to 1.

        Raises:
            InputError: The source is unreadable or has no face.
        """
        if not isinstance(options, PrepareOptions):
            options = prepare_options(options or AnimateOptions(), self.settings)
        return self.avatars.add(
            source,
            avatar_id=avatar_id,
            options=options,
            detector=self._networks.detector,
            progress=progress,
        )

    def inspect(self, source: MediaSource) -> Inspection:
        """Tell what is in a file and what would go wrong, in seconds."""
        found = inspect_media(source, self._networks.detector)
        refused = limits_exceeded(found, self.settings)
        return replace(found, warnings=(*found.warnings, *refused))

    def generator(self, name: str | None = None, precision: Precision = "auto") -> Generator:
        """Return a generator, loaded once; see ``Networks.generator``."""
        return self._networks.generator(name, precision)

    def model_for_checkpoint(self, checkpoint: Path) -> str:
        """Return the name of the generator for a checkpoint, converting it the first time.

        Raises:
            CheckpointError: The file is missing or cannot be converted.
            ModelNotFoundError: It must be converted first and the converter is not installed.
        """
        return self._networks.for_checkpoint(checkpoint)

    def capabilities(self) -> Capabilities:
        """Tell what this installation can do and why it computes as it does."""
        return describe_capabilities(self.generator(), self.models)

    @contextmanager
    def _prepared(
        self,
        avatar: Path | str,
        options: AnimateOptions,
        generator: Generator,
        progress: Progress | None,
    ) -> Iterator[Prepared]:
        if isinstance(avatar, str):
            with self._opened(self.avatars, avatar, options, generator) as opened:
                yield Prepared(opened, 0.0, was_cached=True)
            return
        with ExitStack() as stack:
            store = self.avatars if options.use_cache else stack.enter_context(self._throwaway())
            start = perf_counter()
            summary = store.add(
                avatar,
                options=prepare_options(options, self.settings),
                detector=self._networks.detector,
                progress=progress,
            )
            opening = self._opened(store, summary.avatar_id, options, generator)
            opened = stack.enter_context(opening)
            yield Prepared(opened, perf_counter() - start, was_cached=summary.cached)

    @contextmanager
    def _opened(
        self, store: AvatarStore, avatar_id: str, options: AnimateOptions, generator: Generator
    ) -> Iterator[CachedAvatar]:
        """Open an avatar, with the features that drawing its mouths will need, if it will."""
        with store.open(avatar_id, features=generator.digest) as opened:
            is_ready = generator.digest in opened.manifest.features
            if is_ready or moves_lips(options, generator, opened):
                yield opened
                return
        try:
            store.attach(avatar_id, generator)
        except OutputError as error:
            # They only save time: a store that may not be written still animates.
            logger.warning("features of %s are not kept: %s", avatar_id, error)
        with store.open(avatar_id, features=generator.digest) as opened:
            yield opened

    @contextmanager
    def _throwaway(self) -> Iterator[AvatarStore]:
        # Held, so that the next start removes what a killed process leaves.
        folder = HeldFolder(self.settings.uploads_dir)
        try:
            yield AvatarStore(folder.path, budget_bytes=self.settings.cache_bytes)
        finally:
            folder.release(keep=False)


class _Course:
    """One progress over preparing and writing; ``cancel`` stops either."""

    def __init__(self, progress: Progress | None, cancel: threading.Event | None) -> None:
        self._progress = progress
        self._cancel = cancel
        self._prepared = 0.0

    def prepare(self, fraction: float) -> None:
        """Take the finished part of preparing: the first half, where there is any."""
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError(f"cancelled after preparing {fraction:.0%} of the avatar")
        self._prepared = fraction / 2
        if self._progress is not None:
            self._progress(self._prepared)

    def write(self, fraction: float) -> None:
        """Take the finished part of writing."""
        if self._progress is not None:
            self._progress(self._prepared + (1.0 - self._prepared) * fraction)


def _refuse_overwriting(output: Path, *sources: MediaSource | str) -> None:
    """Raise ``OutputError`` when the video would replace what it is made from."""
    files = (source for source in sources if isinstance(source, Path) and source.exists())
    if output.exists() and any(file.samefile(output) for file in files):
        raise OutputError(f"cannot write {output}: it is one of the sources")


def open_mouthpiece() -> Mouthpiece:
    """Open the engine with the settings of the environment."""
    return Mouthpiece(Settings())
