"""The verbs that only look: ``inspect``, ``doctor``, ``bench``."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    file: Annotated[Path, typer.Argument(help="Image, video or audio.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    thumbnails: Annotated[
        Path | None, typer.Option("--thumbnails", help="Folder for a picture of each face.")
    ] = None,
) -> None:
    """Tell what is in a file and what would go wrong, before any work."""
    import json

    from api.service import open_mouthpiece

    with open_mouthpiece() as mouthpiece:
        found = mouthpiece.inspect(file)
    if thumbnails is not None:
        thumbnails.mkdir(parents=True, exist_ok=True)
        for face in found.faces:
            (thumbnails / f"face{face.face_id}.jpg").write_bytes(face.thumbnail)
    typer.echo(json.dumps(found.as_json(), indent=2) if as_json else found.as_text())


def doctor() -> None:
    """Check this installation; exit 1 when something is broken."""
    from api.doctor import examine

    healthy = True
    for finding in examine():
        healthy = healthy and finding.is_sound
        typer.echo(f"{'ok ' if finding.is_sound else 'BAD'}  {finding.name:12s} {finding.words}")
    if not healthy:
        raise typer.Exit(1)


def bench(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the table to this JSON file.")
    ] = None,
    seconds: Annotated[
        list[int] | None, typer.Option("--seconds", help="Lengths of speech [default: 5 30 120].")
    ] = None,
) -> None:
    """Measure this machine: speech of 5, 30 and 120 s at 10 and 25 fps, uncached and cached."""
    from api.bench import run_bench

    run_bench(report, seconds or [5, 30, 120])
