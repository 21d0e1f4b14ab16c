"""The options of an animation as command-line flags, declared once for all verbs."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import typer

from api.options import AnimateOptions

_HELP: dict[str, tuple[str, tuple[str, ...]]] = {
    "fps": ("Frames per second of a still avatar [default: 25].", ("--fps",)),
    "model": ("Generator to use; `mouthpiece models list` names them.", ("--model",)),
    "precision": ("Arithmetic.", ("--precision",)),
    "blend": ("How the mouth is put into the frame.", ("--blend",)),
    "pads": (
        "Pixels added to the face box: top bottom left right "
        "[default: the network's own framing, Wav2Lip's 0 10 0 0].",
        ("--pads",),
    ),
    "box": ("Fixed face box: top bottom left right, in pixels.", ("--box",)),
    "crop": ("Part of the picture to use: top bottom left right; -1 is the end.", ("--crop",)),
    "rotate": ("Turn the source 90 degrees clockwise.", ("--rotate",)),
    "resize_factor": ("Divide height and width by this.", ("--resize-factor",)),
    "static": ("Use only the first frame of a video.", ("--static",)),
    "smooth": ("Smooth the face boxes over time.", ("--smooth/--no-smooth",)),
    "loop": ("What follows when the sound outlasts the avatar.", ("--loop",)),
    "on_missing_face": ("What to do with frames without a face.", ("--on-missing-face",)),
    "face_id": ("Which face, as `mouthpiece inspect` numbers them.", ("--face-id",)),
    "face_at": ("Instead: the face nearest to this point, x y in pixels.", ("--face-at",)),
    "mouth_region_size": (
        "Width of the blended region, parts of the face width.",
        ("--mouth-region-size",),
    ),
    "blur_intensity": ("Feathering, an odd kernel size in pixels.", ("--blur-intensity",)),
    "sharpen_mouth": ("Sharpen the generated mouth.", ("--sharpen-mouth",)),
    "sharpen_amount": ("Strength of the sharpening, 0 to 2.", ("--sharpen-amount",)),
    "silence_gating": (
        "Hold the rest mouth in silence.",
        ("--silence-gating/--no-silence-gating",),
    ),
    "silence_threshold": ("RMS below which sound is silence.", ("--silence-threshold",)),
    "preset": ("A named set of defaults.", ("--preset",)),
    "use_cache": ("Keep the prepared avatar in the store.", ("--cache/--no-cache",)),
    "deterministic": ("Give the same bytes for the same input.", ("--deterministic",)),
}


def takes_animate_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` a flag for every field of ``AnimateOptions``.

    Args:
        command: A verb whose last parameter is keyword-only, ``options: AnimateOptions``.

    Returns:
        The verb as typer should see it: its own parameters, then one per option.
    """
    hints = get_type_hints(AnimateOptions)
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    flags = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[
                hints[field.name],
                typer.Option(*_HELP[field.name][1], help=_HELP[field.name][0]),
            ],
        )
        for field in fields(AnimateOptions)
    ]

    def run(**given: Any) -> None:
        chosen = {field.name: given.pop(field.name) for field in fields(AnimateOptions)}
        command(**given, options=AnimateOptions(**chosen))

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + flags
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run
