"""``mouthpiece avatar``: the store of prepared avatars."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.terminal import Bar

app = typer.Typer(
    help="Prepare faces once, list, move and remove them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AvatarId = Annotated[str, typer.Argument(help="Id of the avatar.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Image or video of a face.")],
    avatar_id: Annotated[
        str | None, typer.Option("--id", help="Name for it [default: from its content].")
    ] = None,
) -> None:
    """Find the face, prepare everything that animating needs, and keep it."""
    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece, Bar("preparing") as bar:
        summary = mouthpiece.add_avatar(file, avatar_id=avatar_id, progress=bar)
    typer.echo(summary.avatar_id)
    typer.echo(
        f"{summary.frames} frames, {summary.faces} with a face, {summary.seconds:.2f} s", err=True
    )


@app.command(name="list")
def list_() -> None:
    """List the cached avatars."""
    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece:
        for avatar in mouthpiece.avatars.list():
            typer.echo(
                f"{avatar.avatar_id}  {avatar.width}x{avatar.height}  {avatar.frames} frames  "
                f"{avatar.size_bytes / 1e6:.1f} MB"
            )


@app.command()
def show(avatar_id: AvatarId) -> None:
    """Show everything known about one avatar, as JSON."""
    import json

    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece:
        typer.echo(json.dumps(mouthpiece.avatars.show(avatar_id).as_json(), indent=2))


@app.command()
def remove(avatar_id: AvatarId) -> None:
    """Forget one avatar."""
    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece:
        mouthpiece.avatars.remove(avatar_id)


@app.command()
def export(
    avatar_id: AvatarId, file: Annotated[Path, typer.Argument(help="The .avatar file to write.")]
) -> None:
    """Write one avatar to a file that any other machine can import."""
    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece:
        mouthpiece.avatars.export(avatar_id, file)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .avatar file.")],
    avatar_id: Annotated[str | None, typer.Option("--id", help="Another name for it.")] = None,
) -> None:
    """Take in an exported avatar, checking every hash."""
    from api.service import open_mouthpiece
    from runtime.errors import AvatarCorruptError, InputError

    with open_mouthpiece() as mouthpiece:
        try:
            taken = mouthpiece.avatars.import_(file, avatar_id=avatar_id)
        except AvatarCorruptError as error:
            # The store is sound; it is the given file that cannot be used.
            raise InputError(f"cannot import {file}: {error}") from error
    typer.echo(taken.avatar_id)


@app.command()
def check(
    avatar_id: Annotated[
        str | None, typer.Argument(help="Id of the avatar [default: all].")
    ] = None,
) -> None:
    """Read cached avatars whole and compare every hash; exit 1 when one is damaged."""
    from api.service import open_mouthpiece
    from runtime.errors import AvatarCorruptError

    damaged = 0
    with open_mouthpiece() as mouthpiece:
        ids = [avatar_id] if avatar_id else mouthpiece.avatars.ids()
        for each in ids:
            try:
                mouthpiece.avatars.check(each)
                typer.echo(f"{each}: sound")
            except AvatarCorruptError as error:
                damaged += 1
                typer.echo(f"{each}: {error}", err=True)
    if damaged:
        raise typer.Exit(1)
