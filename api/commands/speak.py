"""The verbs that make a video: ``demo``, ``animate``, ``say``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.options import takes_animate_options
from api.commands.terminal import Bar, interruptible
from api.options import AnimateOptions, AnimateReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from api.service import Mouthpiece
    from avatar_cache import AvatarStore

DEMO_TEXT = (
    "Hello! I am a picture, and this is my voice. Everything you see was made on a plain processor."
)

Output = Annotated[Path, typer.Option("--output", "-o", help="The video to write.")]
AvatarName = Annotated[
    str, typer.Option("--avatar", "-a", help="Image, video, or the id of a cached avatar.")
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write the facts of the run to this JSON file.")
]


def demo(
    text: Annotated[str, typer.Option("--text", "-t", help="What to say.")] = DEMO_TEXT,
    output: Output = Path("demo.mp4"),
) -> None:
    """Speak a sentence with the sample avatar and the bundled voice; needs no network."""
    from api.speech import sample_avatar

    run_and_report(
        lambda mouthpiece, bar, cancel: mouthpiece.say(
            text, sample_avatar(mouthpiece.settings), output, progress=bar, cancel=cancel
        ),
        stages=True,
    )


@takes_animate_options
def animate(
    avatar: AvatarName,
    audio: Annotated[Path, typer.Option("--audio", "-s", help="Speech, any audio or video file.")],
    output: Output,
    report: ReportFile = None,
    *,
    options: AnimateOptions,
) -> None:
    """Make a face say a recording."""
    run_and_report(
        lambda mouthpiece, bar, cancel: mouthpiece.animate(
            as_avatar(avatar, mouthpiece.avatars),
            audio,
            output,
            options,
            progress=bar,
            cancel=cancel,
        ),
        report=report,
    )


@takes_animate_options
def say(
    text: Annotated[str, typer.Argument(help="What to say.")],
    avatar: AvatarName,
    output: Output,
    voice: Annotated[str, typer.Option("--voice", help="Voice of the speech engine.")] = "heart",
    report: ReportFile = None,
    *,
    options: AnimateOptions,
) -> None:
    """Make a face say a text (needs the extra `tts`)."""
    run_and_report(
        lambda mouthpiece, bar, cancel: mouthpiece.say(
            text,
            as_avatar(avatar, mouthpiece.avatars),
            output,
            voice=voice,
            options=options,
            progress=bar,
            cancel=cancel,
        ),
        report=report,
    )


def as_avatar(name: str, known: AvatarStore) -> Path | str:
    """Tell paths from ids: what exists is a path, what is ``known`` an id, else its look counts."""
    path = Path(name)
    if path.exists() or len(path.parts) > 1:
        return path
    return path if path.suffix and name not in known.ids() else name


def run_and_report(
    work: Callable[[Mouthpiece, Bar, Event], AnimateReport],
    *,
    report: Path | None = None,
    stages: bool = False,
) -> None:
    """Run ``work`` on an open engine with a progress bar, then print what it made.

    Args:
        work: Called with the engine, the bar and the event that Ctrl-C sets.
        report: JSON file for the facts of the run.
        stages: Also print the busy seconds per stage.
    """
    from api.service import open_mouthpiece

    if report is not None:
        _check_report(report)
    with open_mouthpiece() as mouthpiece, Bar("animating") as bar, interruptible() as cancel:
        facts = work(mouthpiece, bar, cancel)
    for warning in facts.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{facts.output}: {facts.duration_s:.2f} s, {facts.frames} frames at {facts.fps:g} fps, "
        f"made in {facts.elapsed_s:.2f} s ({facts.real_time_factor:.2f} of real time)"
    )
    if stages:
        for stage, seconds in facts.stages_s.items():
            typer.echo(f"  {stage:8s} {seconds:6.2f} s")
    if report is not None:
        report.write_text(json.dumps(as_json(facts), indent=2) + "\n", encoding="utf-8")


def _check_report(report: Path) -> None:
    """Refuse a report that could not be written, before any work is done for it."""
    from runtime.errors import OutputError

    if report.is_dir():
        raise OutputError(f"cannot write {report}: it is a folder")
    if not report.absolute().parent.is_dir():
        raise OutputError(f"cannot write {report}: there is no folder {report.parent}")


def as_json(facts: AnimateReport) -> dict[str, object]:
    """Return a report as plain JSON values."""
    from dataclasses import asdict

    return {
        **asdict(facts),
        "output": str(facts.output),
        "real_time_factor": round(facts.real_time_factor, 4),
    }
