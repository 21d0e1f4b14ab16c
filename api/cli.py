"""The ``mouthpiece`` command: verbs, and what each kind of failure looks like to a shell.

Nothing heavy is imported here, so that ``mouthpiece --help`` answers at once; every verb imports
the engine when it runs.
"""

import os
import sys

import typer

from api.commands import avatars, examine, serving, speak, wav2lip
from convert.cli import app as convert_app
from convert.models_cli import app as models_app

EXIT_BROKEN = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_INTERRUPTED = 4
#: What typer makes of Ctrl-C.
_TYPER_INTERRUPTED = 130

app = typer.Typer(
    name="mouthpiece",
    help="A face and speech in, a video of that face saying that speech out. On a CPU.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(speak.demo)
app.command()(speak.animate)
app.command()(speak.say)
app.command()(examine.inspect)
app.add_typer(avatars.app, name="avatar")
app.command()(serving.serve)
app.add_typer(convert_app, name="convert")
app.add_typer(models_app, name="models")
app.command()(examine.bench)
app.command()(examine.doctor)
app.command(
    name="wav2lip",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(wav2lip.wav2lip)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("mouthpiece"))
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(  # noqa: ARG001 - its callback acts
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what the engine does."),
) -> None:
    if verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
        # PyAV and matplotlib-style chatter would bury our own lines.
        logging.getLogger("libav").setLevel(logging.WARNING)


def main() -> None:
    """Run the command line and exit with the status documented in docs/cli.md."""
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if end.code != _TYPER_INTERRUPTED:
            raise
        _stop("interrupted; nothing was left behind", EXIT_INTERRUPTED)
    except Exception as error:
        if os.environ.get("MOUTHPIECE_TRACEBACK"):
            raise
        _stop(*_verdict(error))


def _verdict(error: Exception) -> tuple[str, int]:
    """Give the words and the exit code for a failure."""
    from runtime.errors import (
        AvatarNotFoundError,
        CancelledError,
        CheckpointError,
        InputError,
        LimitError,
        MouthpieceError,
    )

    words = str(error) or type(error).__name__
    if isinstance(error, CancelledError):
        return words, EXIT_INTERRUPTED
    if isinstance(error, InputError | AvatarNotFoundError | LimitError | CheckpointError):
        return words, EXIT_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}", EXIT_INPUT
    if isinstance(error, MouthpieceError):
        return words, EXIT_BROKEN
    if wrong := _wrong_settings(error):
        return wrong, EXIT_BROKEN
    # A bug: its traceback is what the maintainers need.
    raise error


def _wrong_settings(error: Exception) -> str:
    """Name the variables that were refused; empty when the error is about something else."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return ""
    return "; ".join(
        f"MOUTHPIECE_{str(wrong['loc'][0]).upper().removeprefix('MOUTHPIECE_')} is "
        f"{wrong['input']!r}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}"
        for wrong in error.errors()
    )


def _stop(message: str, code: int) -> None:
    typer.echo(f"mouthpiece: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
