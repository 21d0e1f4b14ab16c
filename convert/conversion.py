"""The verbs: a checkpoint to IR in full precision and INT8, and the same measurement again."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import openvino as ov

from convert.calibration import Material, Sources, collect_material, draw_pairs
from convert.checkpoint import Checkpoint, load_checkpoint
from convert.export import GeneratorMetadata, export_generator
from convert.fallback import sample_sources
from convert.fidelity import Certificate, Floor, certify
from convert.ir import save_model, write_card, write_json, write_metadata
from convert.quantize import (
    SearchOptions,
    floating_layers,
    keep_sensitive_layers,
    quantize_plainly,
    widen_ranges,
)
from runtime.errors import CheckpointError
from runtime.faces import BlazeFaceMesh
from runtime.manifest import NetworkEntry
from runtime.models import ModelStore

logger = logging.getLogger(__name__)

CERTIFICATE_SUFFIX = ".certificate.json"
UNKNOWN_LICENCE = "unknown"
#: Seeds of the three draws: calibration, search for sensitive layers, certificate.
_CALIBRATION, _SEARCH, _CERTIFICATE = 0, 2, 1

#: Told what is being done now.
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorOptions:
    """How to convert a generator.

    Attributes:
        name: Name of the network; ``None`` takes the manifest's for a known checkpoint, otherwise
            the file's.
        licence: Licence of the weights; ``None`` takes the manifest's, otherwise ``unknown``.
        mel_offset: Columns; ``None`` takes what the checkpoint says of itself, otherwise 0.
        int8: Quantize too.
        sources: Faces and speech to calibrate with; without any, the sample avatar and speech.
        pairs: Number of pairs to calibrate with.
        certificate_pairs: Number of other pairs to measure with.
        search: When the search for sensitive layers is content.
        floor: The least fidelity accepted.
    """

    name: str | None = None
    licence: str | None = None
    mel_offset: int | None = None
    int8: bool = True
    sources: Sources = field(default_factory=Sources)
    pairs: int = 240
    certificate_pairs: int = 96
    search: SearchOptions = field(default_factory=SearchOptions)
    floor: Floor = field(default_factory=Floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertReport:
    """What a conversion made.

    Attributes:
        name: Of the network.
        layout: Of the checkpoint.
        width: Channels relative to the public network.
        files: Every file written.
        certificate: Of the INT8 files, when there are any.
        warnings: What the user should know.
    """

    name: str
    layout: str
    width: str
    files: tuple[Path, ...]
    certificate: Certificate | None = None
    warnings: tuple[str, ...] = ()


def convert_generator(
    checkpoint: Path,
    output_dir: Path,
    options: GeneratorOptions | None = None,
    *,
    models: ModelStore | None = None,
    report: Report | None = None,
) -> ConvertReport:
    """Convert a checkpoint of a generator.

    Args:
        checkpoint: Any layout ``load_checkpoint`` reads.
        output_dir: Models folder; gets ``NAME.xml/.bin``, ``NAME-int8.xml/.bin``,
            ``NAME.certificate.json`` and ``NAME.card.json``.
        options: How.
        models: Where the face networks and the manifest are.
        report: Told what is being done.

    Raises:
        CheckpointError: The checkpoint does not fit.
        CalibrationError: No face or no speech to calibrate with.
        FidelityError: INT8 is below the floor; the files in full precision stay, no INT8 file is
            left.
    """
    options = options or GeneratorOptions()
    models = models or ModelStore()
    tell = report or logger.info
    tell(f"reading {checkpoint.name}")
    loaded = load_checkpoint(checkpoint)
    if loaded.role != "generator":
        raise CheckpointError(f"{checkpoint} is a {loaded.role}; use `mouthpiece convert detector`")
    metadata = _metadata(checkpoint, loaded, options, models)
    exact = output_dir / f"{metadata.name}.xml"
    tell("writing full precision")
    # INT8 files of an older checkpoint must not answer to the new one's name.
    small = [output_dir / f"{metadata.name}-int8{suffix}" for suffix in (".xml", ".bin")]
    certified = output_dir / f"{metadata.name}{CERTIFICATE_SUFFIX}"
    for old in (*small, certified):
        old.unlink(missing_ok=True)
    save_model(export_generator(loaded.network, metadata), exact)
    networks = [exact, exact.with_suffix(".bin")]
    entry = NetworkEntry(
        name=metadata.name,
        role="generator",
        layout=metadata.layout,
        title=f"Converted from {checkpoint.name}, width {metadata.width}",
        licence=metadata.licence,
    )
    # Written now as well: without its card a network whose INT8 is refused would have no name.
    card = write_card(output_dir, entry, networks)
    certificates: list[Path] = []
    warnings: list[str] = []
    certificate = None
    if options.int8:
        sources, notes = sample_sources(options.sources, models)
        warnings += notes
        certificate = _quantize(exact, metadata, sources, options, models, tell)
        networks += small
        certificates = [certified]
        write_card(output_dir, entry, networks)
    files = [*networks, *certificates, card]
    return ConvertReport(
        name=metadata.name,
        layout=loaded.layout,
        width=loaded.width,
        files=tuple(files),
        certificate=certificate,
        warnings=tuple(warnings),
    )


def verify(
    name: str,
    models: ModelStore | None = None,
    *,
    sources: Sources | None = None,
    floor: Floor | None = None,
    certificate_pairs: int = 96,
) -> Certificate:
    """Repeat the measurement of the certificate on the files as they are.

    Args:
        name: An installed generator with INT8 files.
        models: Where it is.
        sources: Faces and speech; without any, the sample avatar and speech.
        floor: The least fidelity accepted.
        certificate_pairs: Number of pairs.

    Returns:
        A new certificate; its ``check`` raises when the floor is not met.

    Raises:
        ModelNotFoundError: The generator is not installed in both precisions.
        CalibrationError: No face or no speech to measure with.
    """
    models = models or ModelStore()
    exact, small = models.find(name, "f32").path, models.find(name, "int8").path
    found, _ = sample_sources(sources or Sources(), models)
    model = ov.Core().read_model(exact)
    offset = int(model.get_rt_info(["mouthpiece", "mel_offset"]).astype(str))
    _, evaluation = _material(found, models, offset).split()
    return certify(
        exact,
        small,
        draw_pairs(evaluation, certificate_pairs, seed=_CERTIFICATE),
        floor=floor or Floor(),
        float_layers=tuple(floating_layers(ov.Core().read_model(small))),
    )


def _metadata(
    checkpoint: Path, loaded: Checkpoint, options: GeneratorOptions, models: ModelStore
) -> GeneratorMetadata:
    known = next(
        (
            entry
            for entry in models.entries()
            if any(loaded.sha256 in digests for digests in entry.sha256.values())
        ),
        None,
    )
    own_name = checkpoint.stem.lower().replace("_", "-").replace(" ", "-")
    offset = options.mel_offset
    return GeneratorMetadata(
        name=options.name or (known.name if known else own_name),
        layout=loaded.layout,
        checkpoint_sha256=loaded.sha256,
        licence=options.licence or (known.licence if known else UNKNOWN_LICENCE),
        width=loaded.width,
        mel_offset=int(loaded.notes.get("mel_offset", 0)) if offset is None else offset,
    )


def _quantize(
    exact: Path,
    metadata: GeneratorMetadata,
    sources: Sources,
    options: GeneratorOptions,
    models: ModelStore,
    tell: Report,
) -> Certificate:
    """Write the INT8 files and the certificate beside the files in full precision, or neither."""
    tell("reading faces and speech")
    calibration, evaluation = _material(sources, models, metadata.mel_offset).split()
    model = ov.Core().read_model(exact)
    tell(f"calibrating INT8 on {options.pairs} pairs")
    plain = quantize_plainly(model, draw_pairs(calibration, options.pairs, seed=_CALIBRATION))
    tell("searching for ranges, and for layers to keep in floating point")
    search = draw_pairs(calibration, options.certificate_pairs, seed=_SEARCH)
    widened = widen_ranges(model, plain, search)
    mixed, kept = keep_sensitive_layers(model, widened, search, options.search)
    write_metadata(mixed, metadata.as_text("int8"))
    tell("measuring")
    pairs = draw_pairs(evaluation, options.certificate_pairs, seed=_CERTIFICATE)
    target = exact.with_name(f"{metadata.name}-int8.xml")
    with tempfile.TemporaryDirectory(dir=exact.parent, prefix=".int8-") as folder:
        draft = Path(folder) / target.name
        save_model(mixed, draft)
        certificate = certify(exact, draft, pairs, floor=options.floor, float_layers=tuple(kept))
        certificate.check()
        draft.with_suffix(".bin").replace(target.with_suffix(".bin"))
        draft.replace(target)
    write_certificate(certificate, exact.parent)
    return certificate


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Write a certificate as JSON beside its network and return the file."""
    path = folder / f"{certificate.name}{CERTIFICATE_SUFFIX}"
    write_json(path, certificate.as_dict())
    return path


def _material(sources: Sources, models: ModelStore, mel_offset: int) -> Material:
    detector = BlazeFaceMesh(models.find("blazeface").path, models.find("facemesh").path)
    return collect_material(sources, detector, mel_offset=mel_offset)
