"""``mouthpiece wav2lip``: the flags of Wav2Lip's ``inference.py``, unchanged.

Flags: Prajwal et al. 2020, ``inference.py``, and the fast-blending fork of it. They are parsed by
argparse as there, because several take a list (``--pads 0 10 0 0``) or a word (``--static True``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

from api.options import AnimateOptions, Blend

if TYPE_CHECKING:
    import argparse
    from threading import Event

    from api.commands.terminal import Bar
    from api.options import AnimateReport
    from api.service import Mouthpiece

#: Accepted for compatibility; they steer a GPU or a framework that is not here.
_WITHOUT_MEANING = (
    "face_det_batch_size",
    "wav2lip_batch_size",
    "fp16",
    "temporal_smooth",
    "device",
)


def wav2lip(context: typer.Context) -> None:
    """Run with the flags of Wav2Lip's inference.py (`mouthpiece wav2lip --help` lists them)."""
    from api.commands.speak import run_and_report

    flags = _parser().parse_args(context.args)
    unused = [f"--{name}" for name in _WITHOUT_MEANING if getattr(flags, name) is not None]
    if flags.device == "cpu" and "--device" in unused:
        unused.remove("--device")
    if unused:
        typer.echo(f"warning: no meaning on a CPU, ignored: {', '.join(unused)}", err=True)

    def work(mouthpiece: Mouthpiece, bar: Bar, cancel: Event) -> AnimateReport:
        options = as_options(flags, mouthpiece.model_for_checkpoint(flags.checkpoint_path))
        flags.outfile.parent.mkdir(parents=True, exist_ok=True)
        return mouthpiece.animate(
            flags.face, flags.audio, flags.outfile, options, progress=bar, cancel=cancel
        )

    run_and_report(work)


def as_options(flags: argparse.Namespace, model: str) -> AnimateOptions:
    """Translate parsed flags.

    Args:
        flags: As parsed by ``inference.py``'s own flags.
        model: Name of the generator that stands for ``--checkpoint_path``.
    """
    box = tuple(flags.box)
    crop = tuple(flags.crop)
    return AnimateOptions(
        model=model,
        fps=flags.fps,
        pads=tuple(flags.pads),
        box=None if box == (-1, -1, -1, -1) else box,
        crop=None if crop == (0, -1, 0, -1) else crop,
        rotate=flags.rotate,
        resize_factor=flags.resize_factor,
        static=flags.static,
        smooth=not flags.nosmooth,
        # The original aborts when one frame has no face.
        on_missing_face="fail",
        blend=flags.blend_method,
        mouth_region_size=flags.mouth_region_size,
        blur_intensity=flags.blur_intensity,
        sharpen_mouth=flags.sharpen_mouth,
        sharpen_amount=flags.sharpen_amount,
        silence_gating=flags.silence_gating,
        silence_threshold=flags.silence_threshold,
        # inference.py loops a video from its start.
        loop="repeat",
    )


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="mouthpiece wav2lip",
        description="Wav2Lip's inference.py on a CPU; same flags, same meaning.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--checkpoint_path", type=Path, required=True, help="a .pth checkpoint or an .xml network")
    add("--face", type=Path, required=True, help="image or video with the face")
    add("--audio", type=Path, required=True, help="audio or video file with the speech")
    add("--outfile", type=Path, default=Path("results/result_voice.mp4"), help="video to write")
    add("--static", type=_truth, nargs="?", const=True, default=False, help="first frame only")
    add("--fps", type=float, default=25.0, help="for images only")
    add("--pads", type=int, nargs=4, default=[0, 10, 0, 0], help="top bottom left right")
    add("--face_det_batch_size", type=int, help="ignored")
    add("--wav2lip_batch_size", type=int, help="ignored")
    add("--resize_factor", type=int, default=1, help="divide height and width by this")
    add("--crop", type=int, nargs=4, default=[0, -1, 0, -1], help="top bottom left right")
    add("--box", type=int, nargs=4, default=[-1, -1, -1, -1], help="top bottom left right")
    add("--rotate", action="store_true", help="turn 90 degrees clockwise")
    add("--nosmooth", action="store_true", help="do not smooth the boxes")
    add("--fp16", action="store_true", default=None, help="ignored")
    add(
        "--silence_gating", type=_truth, nargs="?", const=True, default=True, help="rest in silence"
    )
    add("--silence_threshold", type=float, default=0.01, help="RMS below which sound is silence")
    add("--blend_method", choices=get_args(Blend), default="auto", help="how to put the mouth in")
    add("--mouth_region_size", type=float, help="parts of the face width")
    add("--blur_intensity", type=int, help="odd kernel size in pixels")
    add("--sharpen_mouth", action="store_true", help="sharpen the mouth")
    add("--sharpen_amount", type=float, default=0.5, help="strength")
    add("--temporal_smooth", action="store_true", default=None, help="ignored")
    add("--device", help="ignored unless cpu")
    return parser


def _truth(word: str) -> bool:
    # inference.py has type=bool, which takes any word for true; the words for no should mean no.
    return word.lower() not in {"false", "0", "no", "off", ""}
