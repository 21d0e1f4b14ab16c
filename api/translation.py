"""From what a caller asks to what the engine understands, and from its facts to words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from api.options import DEFAULT_FPS, AnimateOptions, AnimateReport
from api.settings import Settings
from avatar_cache import CachedAvatar, PrepareOptions
from avatar_cache.inspection import Inspection
from runtime.animator import Animator, StreamOptions
from runtime.blending import FALLBACK, PRESETS as BLEND_PRESETS, can_warp, chosen_method
from runtime.boxes import Pads
from runtime.destination import FORMATS
from runtime.film import Film
from runtime.generator import Generator
from runtime.types import FaceBox

#: Suffixes of films without opacity.
OPAQUE = FORMATS.keys() - {".webm"}


class Prepared(NamedTuple):
    """An avatar ready to be animated.

    Attributes:
        avatar: Open.
        seconds: Spent on preparing it now.
        was_cached: Whether it had been prepared before.
    """

    avatar: CachedAvatar
    seconds: float
    was_cached: bool


def prepare_options(options: AnimateOptions, settings: Settings) -> PrepareOptions:
    """Give the part of the options that shapes a prepared avatar, with the limits in force."""
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
        face_at=options.face_at,
        max_pixels=settings.max_pixels,
        max_duration_s=settings.max_video_s,
    )


def moves_lips(options: AnimateOptions, generator: Generator, avatar: CachedAvatar) -> bool:
    """Tell whether an avatar's lips are moved as the sound says, so that no mouth is drawn."""
    how = stream_options(options, hears_lips=generator.lips is not None)
    is_heard = generator.lips is not None and chosen_method(how.blend) == "warp"
    # In a video that something passes in front of, mouths may be hidden in some frames.
    is_seen = len(avatar) == 1 or not avatar.manifest.covered
    return is_heard and is_seen and can_warp(avatar.frame(0))


def stream_options(options: AnimateOptions, *, hears_lips: bool) -> StreamOptions:
    """Give the part of the options that shapes the frames; the preset fills what is open.

    Args:
        options: What the caller asks for.
        hears_lips: The generator comes with a network that hears lips: nothing is faster than to
            move them, so the preset ``fast`` asks for nothing else.
    """
    is_fast = options.preset == "fast" and hears_lips
    preset = BLEND_PRESETS["default" if is_fast else options.preset]
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


def provenance(generator: Generator) -> dict[str, str]:
    """Say in the file itself that it was generated, and by what."""
    return {
        "comment": f"Generated video: lips by mouthpiece ({generator.name}, {generator.licence})"
    }


def report_of(
    output: Path,
    film: Film,
    prepared: Prepared,
    animator: Animator,
    generator: Generator,
    options: AnimateOptions,
) -> AnimateReport:
    """Gather what one animation gave; its wall time is for the caller to fill in."""
    avatar, pasted = prepared.avatar, animator.pasted
    return AnimateReport(
        output=output,
        avatar_id=avatar.avatar_id,
        duration_s=film.duration_s,
        frames=film.frames,
        fps=film.fps,
        size=avatar.size,
        model=generator.name,
        precision=generator.plan.precision,
        blend=FALLBACK if 2 * pasted > film.frames else animator.blend,
        cache="hit" if prepared.was_cached else "miss",
        av_offset_ms=film.av_offset_ms,
        silence_motion=animator.silence.motion,
        stages_s=animator.timer.seconds(),
        elapsed_s=0.0,
        missing_face=avatar.missing_s,
        warnings=(
            *_avatar_warnings(avatar),
            *_result_warnings(output, film, avatar, pasted),
            *_idle_options(options, is_pasted=pasted > 0 or animator.blend != "warp"),
            *_licence_warnings(generator),
        ),
    )


def _avatar_warnings(avatar: CachedAvatar) -> Iterator[str]:
    """Say what the user should know about an avatar although it speaks."""
    manifest = avatar.manifest
    missing = sum(end - first for first, end in manifest.missing)
    if missing:
        yield f"{missing} of {manifest.frame_count} frames show no face; they were left as they are"
    covered = sum(end - first for first, end in manifest.covered)
    if covered:
        yield (
            f"something is in front of the mouth in {covered} of {manifest.frame_count} frames; "
            "it stays in front"
        )
    was_chosen = any(manifest.settings.get(key) is not None for key in ("face_id", "face_at"))
    if len(manifest.faces) > 1 and not was_chosen:
        yield (
            f"{len(manifest.faces)} faces were found, face {manifest.face_id} speaks; choose "
            "another one with --face-id"
        )


def _result_warnings(output: Path, film: Film, avatar: CachedAvatar, pasted: int) -> Iterator[str]:
    """Say where a result is less than was hoped for."""
    if pasted:
        yield (
            f"the mouth of {pasted} of {film.frames} frames was pasted by {FALLBACK}: the face is "
            "not recognized or turned too far, or its mouth is hidden or cut off"
        )
    if avatar.has_alpha and output.suffix.lower() in OPAQUE:
        yield f"{output.name} shows the avatar before black; .webm and pictures keep its opacity"


def _idle_options(options: AnimateOptions, *, is_pasted: bool) -> Iterator[str]:
    """Say which options were given and changed nothing."""
    given = {
        "mouth_region_size": options.mouth_region_size is not None,
        "blur_intensity": options.blur_intensity is not None,
        "sharpen_mouth": options.sharpen_mouth,
    }
    idle = [name for name, is_given in given.items() if is_given]
    if idle and not is_pasted:
        yield f"{', '.join(idle)}: of no effect on warped mouths; choose another blend method"


def _licence_warnings(generator: Generator) -> Iterator[str]:
    """Say what a generator may not be used for."""
    if "research" in generator.licence.lower() or "non-commercial" in generator.licence.lower():
        yield f"{generator.name} may be used for research only"


def limits_exceeded(found: Inspection, settings: Settings) -> tuple[str, ...]:
    """Say which limits of this installation would refuse an inspected file."""
    said = []
    if found.size is not None and found.size[0] * found.size[1] > settings.max_pixels:
        said.append(f"larger than {settings.max_pixels} pixels: refused (MOUTHPIECE_MAX_PIXELS)")
    if found.kind == "video" and found.duration_s > settings.max_video_s:
        said.append(
            f"longer than {settings.max_video_s:g} s: refused as an avatar (MOUTHPIECE_MAX_VIDEO_S)"
        )
    if found.audio is not None and found.audio.duration_s > settings.max_audio_s:
        said.append(
            f"longer than {settings.max_audio_s:g} s: refused as speech (MOUTHPIECE_MAX_AUDIO_S)"
        )
    return tuple(said)
