"""Which models folders the command-line verbs search and write to. Imports nothing heavy."""

import os
from pathlib import Path
from typing import Annotated

import typer


def choose_places(
    context: typer.Context,
    models_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="MOUTHPIECE_MODELS_DIR",
            help="Folder of your own networks, searched first and written to.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="MOUTHPIECE_DATA_DIR", hidden=True)
    ] = None,
    data_home: Annotated[Path, typer.Option(envvar="XDG_DATA_HOME", hidden=True)] = Path(
        "~/.local/share"
    ),
) -> None:
    """Keep the folders for the verb that follows."""
    from runtime.models import BUNDLED_DIR, model_dirs

    data_dir = data_dir or data_home.expanduser() / "mouthpiece"
    own = models_dir or data_dir / "models"
    is_writable = models_dir is None and os.access(BUNDLED_DIR, os.W_OK)
    context.obj = (BUNDLED_DIR / "local" if is_writable else own, model_dirs(own))


def target_dir(context: typer.Context) -> Path:
    """Give the folder to install into: the user's own, or ``models/local`` of a checkout."""
    folder: Path = context.obj[0]
    return folder


def search_dirs(context: typer.Context) -> tuple[Path, ...]:
    """Give the folders to search, in order."""
    folders: tuple[Path, ...] = context.obj[1]
    return folders
