"""``Mouthpiece``: everything put together once, for the command line, HTTP, benchmarks and you."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import cv2

from api.capabilities import Capabilities, describe_capabilities
from api.checkpoints import generator_for_checkpoint
from api.options import DEFAULT_FPS, AnimateOptions, AnimateReport, Precision
from api.settings import Settings
from api.speech import DEFAULT_VOICE, synthesize
from avatar_cache import AvatarStore, AvatarSummary, CachedAvatar, Manifest, PrepareOptions
from avatar_cache.inspection import Inspection, inspect_media
from runtime.animator import Animator, StreamOptions
from runtime.blending import PRESETS as BLEND_PRESETS
from runtime.boxes import Pads
from runtime.destination import check_output
from runtime.faces import AttentionMesh, BlazeFaceMesh, FaceMesh
from runtime.film import write_film
from runtime.generator import Generator
from runtime.host import HostPlan, Precision as HostPrecision
from runtime.media import MediaSource
from runtime.models import ModelFile, ModelStore, model_dirs
from runtime.muxing import EncodeOptions
from runtime.probing import choose_plan
from runtime.types import FaceBox

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
        self._probes = probes
        self.models = ModelStore(model_dirs(self.settings.models_dir))
        self.avatars = AvatarStore(
            self.settings.avatars_dir, budget_bytes=self.settings.cache_bytes
        )
        self._networks = threading.RLock()
        self._generators: dict[tuple[str, str, bool], Generator] = {}
        self._detector: BlazeFaceMesh | None = None
        self._mesh: FaceMesh | None = None
        # OpenCV's own threads would fight with the inference streams for the same cores.
        cv2.setNumThreads(1)

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
        with self._networks:
            self._generators.clear()
            self._detector = self._mesh = None

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
        generator = self.generator(
            options.model, options.precision, deterministic=options.deterministic
        )
        with self._prepared(avatar, options, generator, progress) as (
            opened,
            detect_s,
            was_cached,
        ):
            animator = Animator(generator, mesh=self.mesh)
            animator.timer.add("detect", detect_s)
            film = write_film(
                animator,
                opened,
                audio,
                output,
                _stream_options(options),
                encode=EncodeOptions(
                    deterministic=options.deterministic, metadata=_provenance(generator)
                ),
                max_sound_s=self.settings.max_audio_s,
                progress=progress,
                cancel=cancel,
            )
            report = AnimateReport(
                output=output,
                avatar_id=opened.avatar_id,
                duration_s=film.duration_s,
                frames=film.frames,
                fps=film.fps,
                size=opened.size,
                model=generator.name,
                precision=generator.plan.precision,
                blend=animator.blend,
                cache="hit" if was_cached else "miss",
                av_offset_ms=film.av_offset_ms,
                silence_motion=animator.silence.motion,
                stages_s=animator.timer.seconds(),
                elapsed_s=perf_counter() - start,
                missing_face=_missing_s(opened.manifest),
                warnings=_warnings(opened, generator),
            )
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
        speech = synthesize(text, voice)
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
            options = self._prepare_options(options or AnimateOptions())
        return self.avatars.add(
            source,
            avatar_id=avatar_id,
            options=options,
            detector=self.detector,
            encoder=self.generator(),
            progress=progress,
        )

    def inspect(self, source: MediaSource) -> Inspection:
        """Tell what is in a file and what would go wrong, in seconds."""
        return inspect_media(source, self.detector)

    def generator(
        self,
        name: str | None = None,
        precision: Precision = "auto",
        *,
        deterministic: bool = False,
    ) -> Generator:
        """Return a generator, loaded once.

        Args:
            name: ``None`` takes the one of the settings, else the default one.
            precision: ``auto`` leaves it to the settings and to this host.
            deterministic: Pin the arithmetic so that equal input gives equal bytes.

        Raises:
            ModelError: It is not installed or does not fit this engine.
        """
        name = name or self._default_generator
        wanted = self.settings.precision if precision == "auto" else precision
        with self._networks:
            key = (name, wanted, deterministic)
            if key not in self._generators:
                file, plan = self._choose(name, wanted, deterministic)
                self._generators[key] = Generator(
                    file, plan, cache_dir=self.settings.cache_dir / "compiled"
                )
            return self._generators[key]

    def model_for_checkpoint(self, checkpoint: Path) -> str:
        """Return the name of the generator for a checkpoint, converting it the first time.

        Raises:
            CheckpointError: The file is missing or cannot be converted.
            ModelNotFoundError: It must be converted first and the converter is not installed.
        """
        return generator_for_checkpoint(checkpoint, self.models, self.settings.models_dir)

    @cached_property
    def _default_generator(self) -> str:
        if self.settings.model is None and self.settings.checkpoint_path is not None:
            return self.model_for_checkpoint(self.settings.checkpoint_path)
        return self.settings.model or self.models.default()

    def capabilities(self) -> Capabilities:
        """Tell what this installation can do and why it computes as it does."""
        return describe_capabilities(self.generator(), self.models)

    @property
    def detector(self) -> BlazeFaceMesh:
        """The face detector, loaded when first used."""
        with self._networks:
            if self._detector is None:
                self._detector = BlazeFaceMesh(
                    self.models.find("blazeface").path,
                    self.models.find("facemesh").path,
                    lips=self._exact_lips(),
                )
            return self._detector

    def _exact_lips(self) -> AttentionMesh | None:
        """Load the network that reads lips best, if it is installed."""
        parts = ("attmesh-trunk", "attmesh-lips")
        if not all(self.models.precisions(part) for part in parts):
            return None
        return AttentionMesh(*(self.models.find(part).path for part in parts))

    @property
    def mesh(self) -> FaceMesh:
        """The landmark network that reads lips, loaded when first used."""
        with self._networks:
            if self._mesh is None:
                self._mesh = FaceMesh(self.models.find("facemesh").path)
            return self._mesh

    def _choose(
        self, name: str, wanted: Precision, deterministic: bool
    ) -> tuple[ModelFile, HostPlan]:
        files: dict[HostPrecision, ModelFile] = {"f32": self.models.find(name, "f32")}
        if "int8" in self.models.precisions(name):
            files["int8"] = self.models.find(name, "int8")
        plan = choose_plan(
            files,
            wanted=wanted,
            is_deterministic=deterministic,
            threads=self.settings.threads or None,
            folder=self.settings.cache_dir / "probes",
            probes=self._probes,
        )
        return files["int8" if plan.precision == "int8" else "f32"], plan

    @contextmanager
    def _prepared(
        self,
        avatar: Path | str,
        options: AnimateOptions,
        generator: Generator,
        progress: Progress | None,
    ) -> Iterator[tuple[CachedAvatar, float, bool]]:
        """Give the open avatar, the seconds spent on preparing it, and whether it was there."""
        if isinstance(avatar, str):
            with self.avatars.open(avatar, features=generator.digest) as opened:
                yield opened, 0.0, True
            return
        with ExitStack() as stack:
            store = self.avatars if options.use_cache else stack.enter_context(self._throwaway())
            start = perf_counter()
            summary = store.add(
                avatar,
                options=self._prepare_options(options),
                detector=self.detector,
                encoder=generator,
                progress=progress,
            )
            detect_s = perf_counter() - start
            opened = stack.enter_context(store.open(summary.avatar_id, features=generator.digest))
            yield opened, detect_s, summary.cached

    @contextmanager
    def _throwaway(self) -> Iterator[AvatarStore]:
        self.settings.cache_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.settings.cache_dir, prefix="once-") as folder:
            yield AvatarStore(Path(folder), budget_bytes=self.settings.cache_bytes)

    def _prepare_options(self, options: AnimateOptions) -> PrepareOptions:
        box = options.box
        return PrepareOptions(
            pads=Pads() if options.pads is None else Pads(*options.pads),
            box=None if box is None else FaceBox(x1=box[2], y1=box[0], x2=box[3], y2=box[1]),
            crop=options.crop,
            rotate=options.rotate,
            resize_factor=options.resize_factor,
            static=options.static,
            smooth=options.smooth,
            on_missing_face=options.on_missing_face,
            face_id=options.face_id,
            max_pixels=self.settings.max_pixels,
            max_duration_s=self.settings.max_video_s,
        )


def open_mouthpiece() -> Mouthpiece:
    """Open the engine with the settings of the environment."""
    return Mouthpiece(Settings())


def _stream_options(options: AnimateOptions) -> StreamOptions:
    preset = BLEND_PRESETS[options.preset]
    given: dict[str, Any] = {
        "method": None if options.blend == "auto" else options.blend,
        "mouth_region_size": options.mouth_region_size,
        "blur_intensity": options.blur_intensity,
        "sharpen_mouth": options.sharpen_mouth or None,
        "sharpen_amount": options.sharpen_amount,
    }
    return StreamOptions(
        fps=options.fps or DEFAULT_FPS,
        loop=options.loop,
        blend=replace(preset, **{key: value for key, value in given.items() if value is not None}),
        silence_gating=options.silence_gating,
        silence_threshold=options.silence_threshold,
    )


def _provenance(generator: Generator) -> dict[str, str]:
    """Say in the file itself that it was generated, and by what."""
    return {
        "comment": f"Generated video: lips by mouthpiece ({generator.name}, {generator.licence})"
    }


def _missing_s(manifest: Manifest) -> tuple[tuple[float, float], ...]:
    return tuple(
        (round(first / manifest.fps, 3), round(end / manifest.fps, 3))
        for first, end in manifest.missing
    )


def _warnings(avatar: CachedAvatar, generator: Generator) -> tuple[str, ...]:
    manifest, said = avatar.manifest, []
    missing = sum(end - first for first, end in manifest.missing)
    if missing:
        said.append(
            f"{missing} of {manifest.frame_count} frames show no face; they were left as they are"
        )
    if len(manifest.faces) > 1:
        said.append(
            f"{len(manifest.faces)} faces were found, face {manifest.face_id} speaks; choose "
            "another one with --face-id"
        )
    if "research" in generator.licence.lower() or "non-commercial" in generator.licence.lower():
        said.append(f"{generator.name} may be used for research only")
    return tuple(said)
