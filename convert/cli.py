"""``mouthpiece convert``: checkpoints to OpenVINO networks."""

from pathlib import Path
from typing import Annotated

import typer

from convert.places import choose_places, search_dirs, target_dir

app = typer.Typer(
    help="Convert checkpoints to networks, full precision and INT8 (extra convert).",
    no_args_is_help=True,
    rich_markup_mode=None,
    callback=choose_places,
)

Checkpoint = Annotated[
    Path, typer.Option(help="PyTorch, TorchScript, ONNX or safetensors; no code in it is run.")
]
Media = Annotated[
    list[Path] | None,
    typer.Option(help="Pictures or videos of faces (files or folders) to calibrate with."),
]
Speech = Annotated[
    list[Path] | None, typer.Option(help="Sounds (files or folders) to calibrate with.")
]
Avatars = Annotated[Path | None, typer.Option(help="Folder of an avatar store.")]
FloorMedian = Annotated[
    float, typer.Option(help="Least mouth PSNR against full precision, median pair, dB.")
]
FloorWorst = Annotated[
    float, typer.Option(help="Least mouth PSNR against full precision, worst pair, dB.")
]


@app.command()
def generator(  # noqa: PLR0913  # one for each option
    context: typer.Context,
    checkpoint: Checkpoint,
    name: Annotated[str | None, typer.Option(help="Name for it [default: the file's].")] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Models folder to write to.", show_default="models/local")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
    mel_offset: Annotated[
        int | None, typer.Option(help="First mel column relative to the frame's own.")
    ] = None,
    int8: Annotated[bool, typer.Option(help="Quantize to INT8 too.")] = True,
    media: Media = None,
    speech: Speech = None,
    avatars: Avatars = None,
    floor_median: FloorMedian = 35.0,
    floor_worst: FloorWorst = 30.0,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Replace the bundled generator with it.")
    ] = False,
) -> None:
    """Convert a Wav2Lip or Nota checkpoint; INT8 with a certificate."""
    from convert.bundle import replace_bundled
    from convert.calibration import Sources
    from convert.conversion import GeneratorOptions, convert_generator
    from convert.fidelity import Floor
    from runtime.models import ModelStore

    options = GeneratorOptions(
        name=name,
        licence=licence,
        mel_offset=mel_offset,
        int8=int8,
        sources=Sources(tuple(media or ()), tuple(speech or ()), avatars),
        floor=Floor(median_db=floor_median, worst_db=floor_worst),
    )
    models = ModelStore(search_dirs(context))
    if bundle:
        report = replace_bundled(checkpoint, options, models=models, report=_tell)
    else:
        folder = output_dir or target_dir(context)
        report = convert_generator(checkpoint, folder, options, models=models, report=_tell)
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if report.certificate is not None:
        typer.echo(report.certificate.table())
    for file in report.files:
        typer.echo(file)


@app.command()
def detector(
    context: typer.Context,
    checkpoint: Checkpoint,
    name: Annotated[str, typer.Option(help="Name for it.")] = "s3fd",
    output_dir: Annotated[
        Path | None, typer.Option(help="Models folder to write to.", show_default="models/local")
    ] = None,
    int8: Annotated[bool, typer.Option(help="Quantize to INT8 too; needs --media.")] = False,
    media: Media = None,
) -> None:
    """Convert an S3FD checkpoint; INT8 with boxes compared to full precision."""
    from convert.detectors import convert_detector
    from runtime.models import ModelStore

    report = convert_detector(
        checkpoint,
        output_dir or target_dir(context),
        name=name,
        int8=int8,
        media=tuple(media or ()),
        models=ModelStore(search_dirs(context)),
        report=_tell,
    )
    if report.certificate is not None:
        typer.echo(report.certificate.table())
    for file in report.files:
        typer.echo(file)


@app.command()
def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An installed generator.")] = "mouthpiece",
    media: Media = None,
    speech: Speech = None,
    avatars: Avatars = None,
    floor_median: FloorMedian = 35.0,
    floor_worst: FloorWorst = 30.0,
) -> None:
    """Measure installed INT8 files again; exit 1 when they are below the floor."""
    from convert.calibration import Sources
    from convert.conversion import verify as verify_network
    from convert.fidelity import Floor
    from runtime.models import ModelStore

    certificate = verify_network(
        name,
        ModelStore(search_dirs(context)),
        sources=Sources(tuple(media or ()), tuple(speech or ()), avatars),
        floor=Floor(median_db=floor_median, worst_db=floor_worst),
    )
    typer.echo(certificate.table())
    certificate.check()


def _tell(step: str) -> None:
    typer.echo(step, err=True)
